/** In a list in order of ids: where the first id at or behind one stands. */
export function firstFrom(list: readonly { id: string }[], id: string): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle]!.id < id) low = middle + 1
    else high = middle
  }
  return low
}
