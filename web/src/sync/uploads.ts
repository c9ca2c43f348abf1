import type { OutboxRecord } from '../db'
import { ClientError, upload, type UploadProgress } from '../transport'
import type { Upload } from './api'
import type { Core } from './core'
import { Signal } from './live'

interface Progress {
  sentBytes: number
  totalBytes: number
}

/** Uploads of outgoing media: their bytes, how far they are, and stopping them. */
export class Uploads {
  private readonly core: Core
  private blobs = new Map<string, Blob>()
  private progress = new Map<string, Progress>()
  private aborts = new Map<string, AbortController>()
  /** Something about the upload of a message changed. */
  readonly changed = new Signal<[string]>()

  constructor(core: Core) {
    this.core = core
  }

  /** Keeps the bytes at hand, for the preview. */
  keep(clientMessageId: string, blob: Blob): void {
    this.blobs.set(clientMessageId, blob)
  }

  view(record: OutboxRecord): Upload | undefined {
    if (!record.file) return undefined
    const id = record.clientMessageId
    const running = this.aborts.has(id)
    const sentBytes = this.progress.get(id)?.sentBytes ?? record.upload?.offset ?? (record.mediaId === undefined ? 0 : record.file.size)
    return {
      state: record.mediaId !== undefined ? 'done' : record.paused ? 'paused' : record.state === 'failed' ? 'failed' : running ? 'uploading' : 'waiting',
      sentBytes, totalBytes: record.file.size, blob: this.blobs.get(id) ?? null,
    }
  }

  /** Reads the bytes of a message that an earlier run left, for its preview. */
  async load(clientMessageId: string): Promise<void> {
    if (this.blobs.has(clientMessageId)) return
    const blob = await this.core.state.storage.read((tx) => tx.blobs.get(clientMessageId))
    if (!blob) return
    this.blobs.set(clientMessageId, blob)
    this.changed.emit(clientMessageId)
  }

  /** Uploads what is missing and names the result in the outbox. Rejects with a ClientError; CANCELLED: somebody stopped it. */
  async run(record: OutboxRecord): Promise<void> {
    const id = record.clientMessageId
    const abort = new AbortController()
    this.aborts.set(id, abort)
    try {
      await this.load(id)
      const blob = this.blobs.get(id)
      if (!blob || !record.file) throw new ClientError('NOT_FOUND', 'the file is gone')
      const progress = record.upload ?? await this.begin(record, abort.signal)
      await upload({
        rest: this.core.api.rest, blob, contentType: record.file.contentType, progress, signal: abort.signal,
        onProgress: (sentBytes, now) => this.onProgress(id, sentBytes, blob.size, now),
      })
      const media = await this.core.api.completeMedia(progress.id)
      await this.change(id, ({ upload: _upload, ...r }) => ({ ...r, mediaId: media.id, media }))
    } catch (error) {
      const failure = error as ClientError
      // An upload that the server dropped begins anew at the next try.
      if (failure.code === 'NOT_FOUND' || failure.code === 'FORBIDDEN') await this.change(id, ({ upload: _upload, ...r }) => r)
      throw failure
    } finally {
      if (this.aborts.get(id) === abort) this.aborts.delete(id)
      this.changed.emit(id)
    }
  }

  cancel(clientMessageId: string): void {
    this.aborts.get(clientMessageId)?.abort()
  }

  forget(clientMessageId: string): void {
    this.cancel(clientMessageId)
    this.blobs.delete(clientMessageId)
    this.progress.delete(clientMessageId)
  }

  stopAll(): void {
    for (const abort of this.aborts.values()) abort.abort()
  }

  private async begin(record: OutboxRecord, signal: AbortSignal): Promise<UploadProgress> {
    const file = record.file!
    const made = await this.core.api.newMedia({ contentType: file.contentType, size: file.size, name: file.name, conversationId: record.conversationId })
    if (signal.aborted) throw new ClientError('CANCELLED', 'cancelled')
    const progress = { id: made.id, target: made.upload, offset: 0 }
    await this.change(record.clientMessageId, (r) => ({ ...r, upload: progress }))
    return progress
  }

  private onProgress(id: string, sentBytes: number, totalBytes: number, now: UploadProgress): void {
    const before = this.progress.get(id)
    this.progress.set(id, { sentBytes, totalBytes })
    this.changed.emit(id)
    // What is safe at the server is worth remembering over a reload.
    if (before === undefined || now.offset > 0) void this.remember(id, now)
  }

  private remembered = new Map<string, number>()

  private async remember(id: string, now: UploadProgress): Promise<void> {
    if ((this.remembered.get(id) ?? 0) >= now.offset) return
    this.remembered.set(id, now.offset)
    await this.change(id, (r) => (r.upload ? { ...r, upload: now } : r))
  }

  private async change(id: string, edit: (r: OutboxRecord) => OutboxRecord): Promise<void> {
    await this.core.state.write(async (tx, change) => {
      const record = await tx.outbox.get(id)
      if (!record) return
      await tx.outbox.put(edit(record))
      change.outbox = true
    })
  }
}
