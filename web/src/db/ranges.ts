/**
 * A stretch of a history that the cache holds without a hole, ends included. start: nothing lies before it. tail: nothing lies
 * behind it but what the log will bring.
 */
export interface Range {
  from: string
  to: string
  start?: boolean
  tail?: boolean
}

export function rangeOf(ranges: readonly Range[], id: string): Range | undefined {
  return ranges.find((r) => r.from <= id && id <= r.to)
}

export function tailOf(ranges: readonly Range[]): Range | undefined {
  const last = ranges.at(-1)
  return last?.tail ? last : undefined
}

/** Adds a stretch; what overlaps or touches at an end becomes one. */
export function addRange(ranges: readonly Range[], add: Range): Range[] {
  let merged: Range = { ...add }
  const out: Range[] = []
  for (const r of ranges) {
    if (r.to < merged.from || r.from > merged.to) {
      out.push(r)
      continue
    }
    merged = {
      from: r.from < merged.from ? r.from : merged.from,
      to: r.to > merged.to ? r.to : merged.to,
      ...(r.start || merged.start ? { start: true } : {}),
      ...(r.tail || merged.tail ? { tail: true } : {}),
    }
  }
  out.push(merged)
  return out.sort((a, b) => (a.from < b.from ? -1 : 1)).map((r, i, all) => (r.tail && i < all.length - 1 ? withoutTail(r) : r))
}

/**
 * A message that the log, or an answer, brought: it continues the tail, or stands for itself until history fills in. It may
 * be a tail of its own when the log tells of everything behind it, which it does from logFrom on.
 */
export function addFromLog(ranges: readonly Range[], id: string, logFrom: string): Range[] {
  if (rangeOf(ranges, id)) return ranges as Range[]
  const tail = tailOf(ranges)
  if (tail && id > tail.to) return [...ranges.slice(0, -1), { ...tail, to: id }]
  const newest = ranges.at(-1)
  const isNewest = id > logFrom && (!newest || id > newest.to)
  return addRange(ranges, isNewest ? { from: id, to: id, tail: true } : { from: id, to: id })
}

/** The log is no longer known to continue here. */
export function closeTail(ranges: readonly Range[]): Range[] {
  return ranges.map((r) => (r.tail ? withoutTail(r) : r))
}

/** Cuts off everything before an id, which isn't in the cache any more. */
export function cutBefore(ranges: readonly Range[], firstKept: string | undefined): Range[] {
  if (firstKept === undefined) return []
  return ranges.flatMap((r) => {
    if (r.from >= firstKept) return [r]
    if (r.to < firstKept) return []
    return [{ from: firstKept, to: r.to, ...(r.tail ? { tail: true } : {}) }]
  })
}

function withoutTail(r: Range): Range {
  return { from: r.from, to: r.to, ...(r.start ? { start: true } : {}) }
}
