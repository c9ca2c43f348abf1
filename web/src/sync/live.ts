import type { Live, Unsubscribe } from './api'

/** A Live value that can be set. */
export class Cell<T> implements Live<T> {
  private value: T
  private listeners = new Set<() => void>()
  private telling = false

  constructor(value: T) {
    this.value = value
  }

  get = (): T => this.value

  subscribe = (listener: () => void): Unsubscribe => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  set(value: T): void {
    if (Object.is(value, this.value)) return
    this.value = value
    if (this.telling || this.listeners.size === 0) return
    this.telling = true
    queueMicrotask(() => {
      this.telling = false
      for (const listener of [...this.listeners]) listener()
    })
  }
}

/** Listeners of something that happens, as opposed to something that is. */
export class Signal<A extends unknown[]> {
  private listeners = new Set<(...args: A) => void>()

  on = (listener: (...args: A) => void): Unsubscribe => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  get watched(): boolean {
    return this.listeners.size > 0
  }

  emit(...args: A): void {
    for (const listener of [...this.listeners]) listener(...args)
  }
}
