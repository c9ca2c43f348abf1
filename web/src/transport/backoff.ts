/** Bounds of the wait between two tries, in ms. */
export interface BackoffBounds {
  min: number
  max: number
}

export const reconnectBounds: BackoffBounds = { min: 250, max: 30_000 }

/**
 * Full jitter: any wait up to a bound that doubles with each attempt. Clients that lost a server at one moment don't come
 * back at one moment.
 */
export function fullJitter(bounds: BackoffBounds, attempt: number, random: () => number): number {
  const bound = attempt < 20 ? Math.min(bounds.max, bounds.min * 2 ** attempt) : bounds.max
  return random() * bound
}

/** The server named a time; nobody comes earlier, and not all at it. */
export function afterDrain(afterMs: number, random: () => number): number {
  return afterMs + random() * Math.min(Math.max(afterMs / 4, 100), 30_000)
}
