import type { ConversationRecord, OutboxRecord } from '../db'
import type { ConversationView, MessageView, PresenceView } from './api'
import { titleOf } from './core'
import { viewOfMessage, viewOfOutgoing } from './message-view'

export interface Surroundings {
  self: string
  typing: readonly { userId: string; displayName: string }[]
  presence(userId: string): PresenceView | undefined
  /** The newest message in the outbox of this conversation. */
  outgoing: OutboxRecord | undefined
}

const noOne: readonly { userId: string; displayName: string }[] = []

/** A conversation as the interface shows it. */
export function viewOfConversation(c: ConversationRecord, s: Surroundings): ConversationView {
  const peer = c.type === 'direct' ? c.participants.find((p) => p.userId !== s.self) ?? c.participants[0] : undefined
  const lastMessage: MessageView | undefined = s.outgoing
    ? viewOfOutgoing(s.outgoing, s.self, false, undefined, undefined)
    : c.last && viewOfMessage(c.last, c, s.self, undefined)
  const presence = peer && s.presence(peer.userId)
  const avatarUrl = c.avatarUrl ?? peer?.avatarUrl
  const sentAt = s.outgoing ? new Date(s.outgoing.createdAtMs).toISOString() : ''
  return {
    id: c.id, type: c.type, title: titleOf(c, s.self), name: c.name, participants: c.participants, participantCount: c.participantCount,
    myRole: c.participants.find((p) => p.userId === s.self)?.role ?? 'member',
    unreadCount: c.unreadCount, muted: c.muted, archived: c.archived, typing: s.typing.length > 0 ? s.typing : noOne,
    updatedAt: sentAt > c.updatedAt ? sentAt : c.updatedAt, createdAt: c.createdAt, left: c.left, draft: c.draft,
    ...(avatarUrl === undefined ? {} : { avatarUrl }),
    ...(peer ? { peer } : {}),
    ...(lastMessage ? { lastMessage } : {}),
    ...(c.readUpTo === undefined ? {} : { readUpTo: c.readUpTo }),
    ...(presence ? { presence } : {}),
  }
}
