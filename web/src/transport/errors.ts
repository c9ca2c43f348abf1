import { errorCodes, restSchemas, type ServerErrorCode } from '../protocol'
import * as z from 'zod/mini'

export type ErrorCode = ServerErrorCode | 'OFFLINE' | 'CANCELLED' | 'STORAGE_FULL'

export interface ErrorDetails {
  field?: string
  fields?: Record<string, string>
  retryAfterMs?: number
  status?: number
}

/** What went wrong, with a code that programs can act on. */
export class ClientError extends Error {
  readonly code: ErrorCode
  readonly field?: string
  readonly fields?: Record<string, string>
  readonly retryAfterMs?: number
  /** HTTP status, of answers of the REST API. */
  readonly status?: number

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message)
    this.name = 'ClientError'
    this.code = code
    if (details.field !== undefined) this.field = details.field
    if (details.fields !== undefined) this.fields = details.fields
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs
    if (details.status !== undefined) this.status = details.status
  }

  /** The server's own table says which codes may pass by themselves. */
  get retryable(): boolean {
    if (this.code === 'OFFLINE') return true
    return isServerCode(this.code) && errorCodes[this.code].retry
  }
}

function isServerCode(code: string): code is ServerErrorCode {
  return Object.hasOwn(errorCodes, code)
}

/** A code as a frame or an answer names it; one of a newer server counts as INTERNAL. */
export function errorCode(code: string): ServerErrorCode {
  return isServerCode(code) ? code : 'INTERNAL'
}

function codeOfStatus(status: number): ServerErrorCode {
  for (const [code, { http }] of Object.entries(errorCodes)) {
    if (http === status && code !== 'INVALID_JSON') return code as ServerErrorCode
  }
  return status >= 500 ? 'UNAVAILABLE' : 'VALIDATION_ERROR'
}

/** Reads an RFC 9457 answer. Whatever the body is, the status says enough. */
export async function problemOf(response: Response): Promise<ClientError> {
  const body = await response.json().catch(() => undefined) as unknown
  const parsed = z.safeParse(restSchemas.problem, body)
  const retryAfter = Number(response.headers.get('Retry-After') ?? NaN)
  const details: ErrorDetails = { status: response.status }
  if (retryAfter >= 0) details.retryAfterMs = retryAfter * 1000
  if (!parsed.success) return new ClientError(codeOfStatus(response.status), `the server answered ${response.status}`, details)
  const problem = parsed.data
  const fields = Object.fromEntries((problem.errors ?? []).map((e) => [e.field, e.message]))
  const field = problem.field ?? problem.errors?.[0]?.field
  if (field !== undefined) details.field = field
  if (Object.keys(fields).length > 0) details.fields = fields
  if (problem.retryAfterMs) details.retryAfterMs = problem.retryAfterMs
  return new ClientError(isServerCode(problem.code) ? problem.code : codeOfStatus(response.status), problem.detail ?? problem.title, details)
}

/** What a failed call of any kind is, as a ClientError. */
export function asClientError(error: unknown): ClientError {
  if (error instanceof ClientError) return error
  if (error instanceof DOMException && error.name === 'AbortError') return new ClientError('CANCELLED', 'cancelled')
  if (error instanceof Error && error.name === 'QuotaExceededError') return new ClientError('STORAGE_FULL', 'the browser has no room left')
  return new ClientError('INTERNAL', error instanceof Error ? error.message : String(error))
}
