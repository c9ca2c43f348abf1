import type { ModelMessage, ModelServer } from './server'

/** The model's HTTP API, as much of it as the engine calls by itself or the schedules need. */
export function modelFetch(server: ModelServer, reachable: () => boolean): typeof globalThis.fetch {
  const later = (ms: number) => new Promise<void>((resolve) => server.clock.setTimeout(resolve, ms))
  return async (input, init = {}) => {
    await later(1 + server.random() * 40)
    if (!reachable() || !server.up) throw new TypeError('network')
    const headers = new Headers(init.headers)
    const userId = headers.get('Authorization')?.slice('Bearer '.length) ?? ''
    const failed = server.random() < server.faults.restFailure
    const response = failed ? problem(503, 'UNAVAILABLE') : answer(server, userId, init.method ?? 'GET', new URL(input as string), init.body as string | undefined)
    await later(1 + server.random() * 40)
    if (!reachable() || !server.up) throw new TypeError('network')
    return response
  }
}

/** A real Response reads its body in its own time, which a simulated clock doesn't wait for. */
function json(body: unknown, status = 200): Response {
  const text = JSON.stringify(body)
  return { ok: status < 400, status, headers: new Headers(), json: () => Promise.resolve(JSON.parse(text) as unknown) } as Response
}

function problem(status: number, code: string): Response {
  return json({ title: code, status, code }, status)
}

function answer(server: ModelServer, userId: string, method: string, url: URL, body: string | undefined): Response {
  const path = url.pathname.replace('/api/v1', '')
  const user = server.users.find((u) => u.id === userId)
  if (!user) return problem(401, 'UNAUTHENTICATED')
  const c = `/conversations/${server.conversationId}`
  if (path === '/me') return json(user)
  if (path === '/me/devices') return json({ devices: [] })
  if (path === '/conversations') return json({ conversations: [conversation(server, userId)], hasMore: false })
  if (path === c) return json(conversation(server, userId))
  if (path === `${c}/receipts`) return json({ receipts: [...server.receipts].map(([id, r]) => ({ userId: id, ...r })) })
  if (path === `${c}/messages`) return history(server, userId, url.searchParams)
  const one = new RegExp(`^${c}/messages/(\\w+)(/reactions)?$`).exec(path)
  const message = one && server.messages.find((m) => m.id === one[1])
  if (!message) return problem(404, 'NOT_FOUND')
  return change(server, userId, message, one[2] !== undefined, method, body)
}

function change(server: ModelServer, userId: string, m: ModelMessage, reactions: boolean, method: string, body: string | undefined): Response {
  const where = { conversationId: server.conversationId, messageId: m.id }
  const input = JSON.parse(body ?? '{}') as { content?: string; emoji?: string }
  if (m.deleted && method !== 'GET') return problem(404, 'NOT_FOUND')
  if (reactions) {
    m.reactions = [...m.reactions.filter((r) => r.userId !== userId), ...(input.emoji ? [{ userId, emoji: input.emoji }] : [])]
    server.log('reaction', m.id, { ...where, userId, emoji: input.emoji ?? '' })
    return json({ userId, emoji: input.emoji })
  }
  if (method === 'PATCH') {
    m.content = input.content!
    m.editedAt = server.now() > (m.editedAt ?? '') ? server.now() : new Date(Date.parse(m.editedAt!) + 1).toISOString()
    server.log('message_edited', m.id, { ...where, content: m.content, editedAt: m.editedAt })
    return json(server.wire(m, userId))
  }
  if (method === 'DELETE') {
    m.deleted = true
    m.content = ''
    m.reactions = []
    server.log('message_deleted', m.id, where)
    return json(null, 204)
  }
  return json(server.wire(m, userId))
}

function conversation(server: ModelServer, userId: string): unknown {
  const last = server.messages.at(-1)
  const readTo = server.receipts.get(userId)?.readTo ?? ''
  return {
    id: server.conversationId, type: 'group', name: 'Model', participantCount: server.users.length, muted: false, archived: false,
    participants: server.users.map((u) => ({ userId: u.id, username: u.username, displayName: u.displayName, role: 'member' })),
    unreadCount: server.messages.filter((m) => m.senderId !== userId && m.id > readTo).length,
    createdAt: '2026-01-01T00:00:00.000Z', updatedAt: last?.createdAt ?? '2026-01-01T00:00:00.000Z',
    ...(last ? { lastMessage: server.wire(last, userId) } : {}),
  }
}

function history(server: ModelServer, userId: string, q: URLSearchParams): Response {
  const limit = Number(q.get('limit') ?? 50)
  const [before, since, around] = ['before', 'since', 'around'].map((k) => q.get(k) ?? undefined)
  let list = server.messages
  let page: ModelMessage[]
  if (since !== undefined) {
    list = list.filter((m) => m.id > since)
    page = list.slice(0, limit)
  } else if (around !== undefined) {
    const at = list.findIndex((m) => m.id === around)
    page = at < 0 ? [] : list.slice(Math.max(0, at - limit / 2), at + limit / 2)
  } else {
    if (before !== undefined) list = list.filter((m) => m.id < before)
    page = list.slice(-limit)
  }
  return json({ messages: page.map((m) => server.wire(m, userId)), hasMore: page.length < list.length })
}
