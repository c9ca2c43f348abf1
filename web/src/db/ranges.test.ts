import { describe, expect, it } from 'vitest'
import { addFromLog, addRange, closeTail, cutBefore, rangeOf, tailOf, type Range } from './ranges'

describe('stretches', () => {
  it('join where they touch', () => {
    const a: Range[] = [{ from: '05', to: '09', tail: true }]
    expect(addRange(a, { from: '02', to: '05', start: true })).toEqual([{ from: '02', to: '09', start: true, tail: true }])
    expect(addRange(a, { from: '02', to: '04' })).toEqual([{ from: '02', to: '04' }, { from: '05', to: '09', tail: true }])
    expect(addRange([{ from: '01', to: '02' }, { from: '05', to: '06' }], { from: '02', to: '05' })).toEqual([{ from: '01', to: '06' }])
  })

  it('have one tail at most, the last', () => {
    const r = addRange([{ from: '01', to: '02', tail: true }], { from: '05', to: '06', tail: true })
    expect(r).toEqual([{ from: '01', to: '02' }, { from: '05', to: '06', tail: true }])
    expect(tailOf(r)).toEqual(r[1])
    expect(tailOf(closeTail(r))).toBeUndefined()
  })

  it('grow with the log', () => {
    let r = addFromLog([], '05', '')
    expect(r).toEqual([{ from: '05', to: '05', tail: true }])
    r = addFromLog(r, '07', '')
    expect(r).toEqual([{ from: '05', to: '07', tail: true }])
    expect(addFromLog(r, '06', '')).toBe(r) // late, in its place
    expect(addFromLog(r, '03', '')).toEqual([{ from: '03', to: '03' }, { from: '05', to: '07', tail: true }])
  })

  it('take no message from before the log for the tail', () => {
    expect(addFromLog([], '05', '06')).toEqual([{ from: '05', to: '05' }])
    expect(addFromLog([{ from: '01', to: '02' }], '07', '06')).toEqual([{ from: '01', to: '02' }, { from: '07', to: '07', tail: true }])
  })

  it('are cut where the cache was', () => {
    const r: Range[] = [{ from: '01', to: '03', start: true }, { from: '05', to: '09', tail: true }]
    expect(cutBefore(r, '06')).toEqual([{ from: '06', to: '09', tail: true }])
    expect(cutBefore(r, '04')).toEqual([{ from: '05', to: '09', tail: true }])
    expect(cutBefore(r, undefined)).toEqual([])
    expect(rangeOf(r, '04')).toBeUndefined()
    expect(rangeOf(r, '09')).toBe(r[1])
  })
})
