package redissession

import "github.com/redis/go-redis/v9"

// scripts run in Redis. Their numbers are fixed-width hex digits: text order is their order, and Lua's own numbers don't
// hold 64 bits.
type scripts struct{ register, remove, free, lease *redis.Script }

func newScripts() scripts {
	return scripts{
		// KEYS: user. ARGV: device, value, seconds to keep. Returns nothing, {"newer", value} when that outranks ours, or
		// {"older", value} when ours replaced it.
		register: redis.NewScript(`
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old and old ~= ARGV[2] and string.sub(old, 1, 16) > string.sub(ARGV[2], 1, 16) then
  return {'newer', old}
end
if old ~= ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
if old and old ~= ARGV[2] then
  return {'older', old}
end
return {}`),
		// KEYS: user. ARGV: device, value. Takes the device's entry out unless it is newer or another gateway's, and
		// returns the values that are left; nil when it did nothing.
		remove: redis.NewScript(`
local old = redis.call('HGET', KEYS[1], ARGV[1])
if not old or string.sub(old, 1, 16) > string.sub(ARGV[2], 1, 16) or string.sub(old, 17) ~= string.sub(ARGV[2], 17) then
  return nil
end
redis.call('HDEL', KEYS[1], ARGV[1])
return redis.call('HVALS', KEYS[1])`),
		// KEYS: user. ARGV: a dead gateway. Takes its entries out and returns how many.
		free: redis.NewScript(`
local all = redis.call('HGETALL', KEYS[1])
local n = 0
for i = 1, #all, 2 do
  if string.sub(all[i + 1], 17) == ARGV[1] then
    n = n + redis.call('HDEL', KEYS[1], all[i])
  end
end
return n`),
		// KEYS: gateways. ARGV: our gateway or "", the lease in ms. Renews our lease, forgets those that ended a minute ago,
		// and returns what ours was ("live", "ended" or "gone"), and for each live one its name and what is left of it in ms.
		lease: redis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local was = 'gone'
if ARGV[1] ~= '' then
  local till = redis.call('ZSCORE', KEYS[1], ARGV[1])
  if till then was = tonumber(till) > now and 'live' or 'ended' end
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 60000)
end
local live = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf', 'WITHSCORES')
local out = {was}
for i = 1, #live, 2 do
  out[#out + 1] = live[i]
  out[#out + 1] = string.format('%.0f', live[i + 1] - now)
end
return out`),
	}
}
