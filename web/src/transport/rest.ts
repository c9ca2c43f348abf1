import * as z from 'zod/mini'
import { fullJitter } from './backoff'
import { pause, type Clock } from './clock'
import { ClientError, problemOf } from './errors'

export interface RestOptions {
  /** Scheme and host, without a slash at the end; '' in a page of the server's own. */
  base: string
  fetch: typeof globalThis.fetch
  clock: Clock
  random: () => number
  /** The bearer token; undefined: the browser's cookie. */
  token(): string | undefined
  cookies: boolean
  /** false: pretend that there is no network. */
  online(): boolean
  /** Told when an answer says that nobody is signed in any more. */
  onUnauthenticated(): void
}

export interface Call {
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  query?: Record<string, string | number | boolean | undefined>
  body?: unknown
  signal?: AbortSignal
  /** Doing it twice does no more than doing it once. Default: of GET, HEAD, PUT and DELETE. */
  idempotent?: boolean
  /** UNAUTHENTICATED says nothing about our session, as at a login. */
  beforeSession?: boolean
}

const tries = 3
const bounds = { min: 200, max: 2000 }
/** A server that asks to wait longer than this is told to the caller instead; in ms. */
const longestWait = 5000
const callTimeout = 30_000
export const apiPath = '/api/v1'

/** The server's HTTP API. Every failure is a ClientError. */
export class Rest {
  readonly o: RestOptions

  constructor(options: RestOptions) {
    this.o = options
  }

  url(path: string, query: Call['query'] = {}): string {
    const params = new URLSearchParams()
    for (const [key, value] of Object.entries(query)) if (value !== undefined) params.set(key, String(value))
    const tail = params.toString()
    return this.o.base + path + (tail ? `?${tail}` : '')
  }

  /** An answer with a body, checked. */
  async get<S extends z.ZodMiniType>(schema: S, call: Call): Promise<z.infer<S>> {
    const response = await this.call(call)
    const body = await response.json().catch(() => undefined) as unknown
    const parsed = z.safeParse(schema, body)
    if (!parsed.success) throw new ClientError('INTERNAL', `${call.path}: an answer that we don't understand`, { status: response.status })
    return parsed.data
  }

  /** An answer without one. */
  async run(call: Call): Promise<void> {
    await this.call(call)
  }

  async call(call: Call): Promise<Response> {
    const method = call.method ?? 'GET'
    const again = call.idempotent ?? (method !== 'POST' && method !== 'PATCH')
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.once(method, call)
      } catch (error) {
        const failure = error as ClientError
        const wait = Math.max(failure.retryAfterMs ?? 0, fullJitter(bounds, attempt, this.o.random))
        // RATE_LIMITED was refused before anything was done, so even a POST may come again.
        const harmless = again || failure.code === 'RATE_LIMITED'
        if (failure.code === 'OFFLINE' || !failure.retryable || !harmless || attempt + 1 >= tries || wait > longestWait) throw failure
        await pause(this.o.clock, wait, call.signal)
      }
    }
  }

  private async once(method: string, call: Call): Promise<Response> {
    const headers: Record<string, string> = {}
    if (call.body !== undefined) headers['Content-Type'] = 'application/json'
    const response = await this.fetch(this.url(apiPath + call.path, call.query), {
      method, headers, ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    }, call.signal, callTimeout)
    if (response.ok) return response
    const problem = await problemOf(response)
    if (problem.code === 'UNAUTHENTICATED' && !call.beforeSession) this.o.onUnauthenticated()
    throw problem
  }

  /** One request to our own server, with who we are. Rejects with OFFLINE when nobody answered. timeout in ms; 0: none. */
  async fetch(url: string, init: RequestInit & { headers?: Record<string, string> }, signal?: AbortSignal, timeout = 0): Promise<Response> {
    if (!this.o.online()) throw new ClientError('OFFLINE', 'there is no connection')
    const token = this.o.token()
    const headers = { ...init.headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) }
    const abort = new AbortController()
    const stop = () => abort.abort()
    signal?.addEventListener('abort', stop)
    if (signal?.aborted) stop()
    const timer = timeout > 0 ? this.o.clock.setTimeout(stop, timeout) : undefined
    try {
      return await this.o.fetch(url, { ...init, headers, credentials: this.o.cookies ? 'same-origin' : 'omit', signal: abort.signal })
    } catch {
      if (signal?.aborted) throw new ClientError('CANCELLED', 'cancelled')
      throw new ClientError('OFFLINE', 'the server could not be reached')
    } finally {
      signal?.removeEventListener('abort', stop)
      this.o.clock.clearTimeout(timer)
    }
  }
}
