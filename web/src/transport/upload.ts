import type { Rest as Wire } from '../protocol'
import { fullJitter } from './backoff'
import { pause } from './clock'
import { asClientError, ClientError, problemOf } from './errors'
import type { Rest } from './rest'

/** An upload under way, as much as is needed to go on after a reload. */
export interface UploadProgress {
  id: string
  target: Wire.Upload
  /** Bytes that the other side has. */
  offset: number
}

/** Content above this goes in parts, so that a broken connection costs little; bytes. */
export const partBytes = 8 << 20
const bounds = { min: 200, max: 5000 }
/** How long to go on while nothing gets further, in ms. */
const patience = 120_000

export interface Uploading {
  rest: Rest
  blob: Blob
  contentType: string
  progress: UploadProgress
  signal: AbortSignal
  /** Bytes sent so far, of which progress.offset are safe. */
  onProgress(sentBytes: number, progress: UploadProgress): void
}

/** Sends what is missing of a blob. What fails in a way that may pass is tried again from where the other side has got to. */
export async function upload(u: Uploading): Promise<void> {
  const { target } = u.progress
  if (target.parts?.length) {
    for (const part of target.parts) {
      // A part counts whole or not at all, so a resumed upload starts with the first that isn't safe.
      if (part.offset + part.size <= u.progress.offset) continue
      await insist(u, () => send(u, part.url, part.offset, part.offset + part.size, false))
      advance(u, part.offset + part.size)
    }
    return
  }
  const elsewhere = !target.url.startsWith('/')
  if (elsewhere) {
    if (u.progress.offset >= u.blob.size) return
    await insist(u, () => send(u, target.url, 0, u.blob.size, false))
    advance(u, u.blob.size)
    return
  }
  if (u.progress.offset > 0) advance(u, await reached(u))
  while (u.progress.offset < u.blob.size) {
    await insist(u, async () => {
      const from = u.progress.offset
      const end = Math.min(from + partBytes, u.blob.size)
      if (from >= end) return
      try {
        await send(u, target.url, from, end, from > 0 || end < u.blob.size)
        advance(u, end)
      } catch (error) {
        const failure = asClientError(error)
        if (failure.code !== 'CONFLICT' && !failure.retryable) throw failure
        // An attempt of ours may have got further than we were told.
        const now = await reached(u)
        const moved = now > from
        advance(u, now)
        if (!moved) throw failure.code === 'CONFLICT' ? new ClientError('UNAVAILABLE', failure.message, { retryAfterMs: failure.retryAfterMs ?? bounds.min }) : failure
      }
    })
  }
}

function advance(u: Uploading, offset: number): void {
  u.progress = { ...u.progress, offset }
  u.onProgress(offset, u.progress)
}

async function reached(u: Uploading): Promise<number> {
  const response = await u.rest.fetch(u.rest.o.base + u.progress.target.url, { method: 'HEAD' }, u.signal)
  if (!response.ok) throw await problemOf(response)
  const offset = Number(response.headers.get('Upload-Offset') ?? NaN)
  if (!(offset >= 0 && offset <= u.blob.size)) throw new ClientError('INTERNAL', 'the server does not say how much it has')
  return offset
}

async function insist(u: Uploading, attempt: () => Promise<void>): Promise<void> {
  const clock = u.rest.o.clock
  let since = clock.now()
  let offset = u.progress.offset
  for (let tries = 0; ; tries++) {
    try {
      await attempt()
      return
    } catch (error) {
      const failure = asClientError(error)
      if (u.signal.aborted) throw new ClientError('CANCELLED', 'cancelled')
      if (!failure.retryable) throw failure
      if (u.progress.offset > offset) {
        offset = u.progress.offset
        since = clock.now()
        tries = 0
      }
      const wait = Math.max(failure.retryAfterMs ?? 0, fullJitter(bounds, tries, u.rest.o.random))
      if (clock.now() + wait - since > patience) throw failure
      await pause(clock, wait, u.signal)
    }
  }
}

function send(u: Uploading, url: string, from: number, end: number, ranged: boolean): Promise<void> {
  const ours = url.startsWith('/')
  const headers: Record<string, string> = { 'Content-Type': ours ? 'application/octet-stream' : u.contentType, ...u.progress.target.headers }
  if (ranged) headers['Content-Range'] = `bytes ${from}-${end - 1}/${u.blob.size}`
  const body = u.blob.slice(from, end)
  const method = u.progress.target.method
  return typeof XMLHttpRequest === 'undefined'
    ? byFetch(u, ours, url, method, headers, body)
    : byXhr(u, ours, url, method, headers, body, from)
}

async function byFetch(u: Uploading, ours: boolean, url: string, method: string, headers: Record<string, string>, body: Blob): Promise<void> {
  // Elsewhere is a presigned address: our token is none of its business.
  const response = ours
    ? await u.rest.fetch(u.rest.o.base + url, { method, headers, body }, u.signal)
    : await u.rest.o.fetch(url, { method, headers, body, credentials: 'omit', signal: u.signal }).catch(() => {
        throw new ClientError(u.signal.aborted ? 'CANCELLED' : 'OFFLINE', 'the upload was broken off')
      })
  if (!response.ok) throw await problemOf(response)
}

/** fetch tells nothing of an upload's progress; XMLHttpRequest does. */
function byXhr(u: Uploading, ours: boolean, url: string, method: string, headers: Record<string, string>, body: Blob, from: number): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!u.rest.o.online()) return reject(new ClientError('OFFLINE', 'there is no connection'))
    const xhr = new XMLHttpRequest()
    const stop = () => xhr.abort()
    xhr.open(method, ours ? u.rest.o.base + url : url)
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value)
    const token = ours ? u.rest.o.token() : undefined
    if (token !== undefined) xhr.setRequestHeader('Authorization', `Bearer ${token}`)
    xhr.upload.onprogress = (event) => {
      if (!u.rest.o.online()) return stop()
      u.onProgress(from + event.loaded, u.progress)
    }
    xhr.onloadend = () => {
      u.signal.removeEventListener('abort', stop)
      if (xhr.status >= 200 && xhr.status < 300) return resolve()
      if (xhr.status === 0) return reject(new ClientError(u.signal.aborted ? 'CANCELLED' : 'OFFLINE', 'the upload was broken off'))
      const retryAfter = xhr.getResponseHeader('Retry-After')
      problemOf(new Response(xhr.responseText, { status: xhr.status, headers: retryAfter ? { 'Retry-After': retryAfter } : {} })).then(reject, reject)
    }
    u.signal.addEventListener('abort', stop)
    if (u.signal.aborted) return reject(new ClientError('CANCELLED', 'cancelled'))
    xhr.send(body)
  })
}
