const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** When ids began to count: 2024-01-01 UTC, in Unix ms. */
const idEpochMs = Date.UTC(2024, 0, 1)

/** The time in a message or event id, in Unix ms: its upper 41 bits. */
export function idTimeMs(id: string): number {
  let value = 0n
  for (const c of id.toUpperCase()) {
    const digit = alphabet.indexOf(c)
    if (digit < 0) return NaN
    value = (value << 5n) | BigInt(digit)
  }
  return idEpochMs + Number(value >> 22n)
}

/** The smallest id of a time, in Unix ms. */
export function idAt(ms: number): string {
  let value = BigInt(Math.max(0, Math.floor(ms) - idEpochMs)) << 22n
  let text = ''
  for (let i = 0; i < 13; i++) {
    text = alphabet[Number(value & 31n)]! + text
    value >>= 5n
  }
  return text
}

/** The larger of two ids; either may be missing. */
export function laterId(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || (b !== undefined && b > a)) return b
  return a
}

/** Version 7 UUIDs: a time, then a counter that keeps those of one millisecond in order, then chance. */
export function uuidMaker(now: () => number, random: () => number): () => string {
  let lastMs = 0
  let counter = 0
  const hex = (value: number, digits: number) => Math.floor(value).toString(16).padStart(digits, '0')
  return () => {
    const ms = Math.max(now(), lastMs)
    counter = ms === lastMs ? counter + 1 : 0
    if (counter > 0xfff) {
      counter = 0
      lastMs = ms + 1
    } else {
      lastMs = ms
    }
    const time = hex(lastMs, 12)
    const variant = hex(0x8000 + random() * 0x4000, 4)
    const tail = hex(random() * 0x1000000, 6) + hex(random() * 0x1000000, 6)
    return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(counter, 3)}-${variant}-${tail}`
  }
}

/** Chance that nobody can guess, where the platform has it. */
export function secureRandom(): number {
  const word = new Uint32Array(1)
  globalThis.crypto.getRandomValues(word)
  return word[0]! / 0x1_0000_0000
}
