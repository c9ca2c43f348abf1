import { apiPath, ClientError, upload } from '../transport'
import type { MediaApi } from './api'
import type { Core } from './core'

export interface MediaParts {
  core: Core
  /** Whether the browser's cookie gives access to what lies at an address. */
  cookies: boolean
  cancel(clientMessageId: string): void
  resume(clientMessageId: string): void
}

/** Where media are found, and uploads that belong to no message. */
export class MediaFiles implements MediaApi {
  private readonly p: MediaParts
  private objects = new Map<string, { users: number; made: Promise<string> }>()

  constructor(parts: MediaParts) {
    this.p = parts
  }

  url(id: string, kind: 'full' | 'thumb' = 'full'): string {
    return this.p.core.api.rest.url(`${apiPath}/media/${encodeURIComponent(id)}${kind === 'thumb' ? '/thumb' : ''}`)
  }

  async source(media: string | { path: string }, kind: 'full' | 'thumb' = 'full'): Promise<{ url: string; release(): void }> {
    const url = typeof media === 'string' ? this.url(media, kind) : this.p.core.api.rest.url(media.path)
    if (this.p.cookies) return { url, release: () => undefined }
    const entry = this.objects.get(url) ?? { users: 0, made: this.fetchObject(url) }
    this.objects.set(url, entry)
    entry.users++
    let released = false
    const release = () => {
      if (released) return
      released = true
      if (--entry.users > 0) return
      this.objects.delete(url)
      void entry.made.then((object) => URL.revokeObjectURL(object), () => undefined)
    }
    try {
      return { url: await entry.made, release }
    } catch (error) {
      release()
      throw error
    }
  }

  cancel = (clientMessageId: string) => this.p.cancel(clientMessageId)
  resume = (clientMessageId: string) => this.p.resume(clientMessageId)

  /** Returns the id of the upload. */
  async uploadAvatar(image: Blob & { name?: string }): Promise<string> {
    const { api } = this.p.core
    const contentType = image.type || 'image/png'
    const made = await api.newMedia({ contentType, size: image.size, name: image.name ?? 'avatar', purpose: 'avatar' })
    await upload({
      rest: api.rest, blob: image, contentType, progress: { id: made.id, target: made.upload, offset: 0 },
      signal: new AbortController().signal, onProgress: () => undefined,
    })
    return (await api.completeMedia(made.id)).id
  }

  private async fetchObject(url: string): Promise<string> {
    const response = await this.p.core.api.rest.fetch(url, { method: 'GET' })
    if (!response.ok) throw new ClientError('NOT_FOUND', `the server answered ${response.status}`)
    return URL.createObjectURL(await response.blob())
  }
}
