package redisadmit

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// A rate's key holds the times of the last events in ms, at most as many as are allowed: one more is refused while the
// oldest of them is inside the window.
//
// admitScript: KEYS rate, claim. ARGV now in ms, events allowed (0: no limit), window in ms, what to do with the claim
// ("take", "look", or "none"), its value, its life in ms.
// It returns how many ms to wait (> 0, then nothing was done), 0 when there was no claim, or the claim that stands.
const admitScript = `
local n = tonumber(ARGV[2])
if n > 0 then
  local now, width = tonumber(ARGV[1]), tonumber(ARGV[3])
  if redis.call('LLEN', KEYS[1]) >= n then
    local wait = tonumber(redis.call('LINDEX', KEYS[1], -n)) + width - now
    if wait > 0 then return math.min(wait, width) end
  end
  redis.call('RPUSH', KEYS[1], ARGV[1])
  redis.call('LTRIM', KEYS[1], -n, -1)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if ARGV[4] == 'take' then
  return redis.call('SET', KEYS[2], ARGV[5], 'NX', 'GET', 'PX', ARGV[6]) or 0
elseif ARGV[4] == 'look' then
  return redis.call('GET', KEYS[2]) or 0
end
return 0`

// allowScript: KEYS rate. ARGV as the first three of admitScript. It returns how many ms to wait, or 0 and has counted.
const allowScript = `
local n, now, width = tonumber(ARGV[2]), tonumber(ARGV[1]), tonumber(ARGV[3])
if redis.call('LLEN', KEYS[1]) >= n then
  local wait = tonumber(redis.call('LINDEX', KEYS[1], -n)) + width - now
  if wait > 0 then return math.min(wait, width) end
end
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], -n, -1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 0`

// putScript: KEYS claim. ARGV the value expected, the new one, its life in ms. A claim that nobody expected stays: it was
// moved meanwhile.
const putScript = `
local v = redis.call('GET', KEYS[1])
if not v or v == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 0`

const (
	valueSize = 8 + 16 + 16
	// unsure is at the end of the value of a claim beside which there may be an older one in the store: whoever finds it looks.
	unsure = '?'
)

// value is what a claim's key holds: message id, conversation and digest.
func value(c store.Claim) string {
	b := make([]byte, 0, valueSize+1)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Message))
	b = append(append(b, c.Conversation[:]...), c.Digest[:]...)
	return string(b)
}

// valueUnsure is value for a claim taken before its row was looked for.
func valueUnsure(c store.Claim) string { return value(c) + string(unsure) }

var errValue = errors.New("malformed claim in redis")

// claimOf reads what a key holds for the same user and key as like.
func claimOf(v string, like store.Claim) (store.Claim, error) {
	if len(v) != valueSize && !isUnsure(v) {
		return store.Claim{}, errValue
	}
	c := store.Claim{User: like.User, ClientMessage: like.ClientMessage, Message: chat.MessageID(binary.BigEndian.Uint64([]byte(v[:8])))}
	copy(c.Conversation[:], v[8:24])
	copy(c.Digest[:], v[24:valueSize])
	if c.Message <= 0 {
		return store.Claim{}, errValue
	}
	return c, nil
}

func isUnsure(v string) bool { return len(v) == valueSize+1 && v[valueSize] == unsure }

func text(b [16]byte) string { return base64.RawURLEncoding.EncodeToString(b[:]) }

// rateKey is where a limit's events of one key are counted.
func (a *Admission) rateKey(l admit.Limit, key [16]byte) string {
	return a.cluster.Prefix() + "rate:{" + text(key) + "}:" + admit.Names[l]
}

// claimKey is in the slot of its sender's message rate.
func (a *Admission) claimKey(c store.Claim) string {
	return a.cluster.Prefix() + "claim:{" + text(c.User) + "}:" + text(c.ClientMessage)
}

func milliseconds(d time.Duration) int64 { return max(d.Milliseconds(), 1) }
