import type { ConversationRecord, MessageRecord, OutboxRecord } from './records'

export function conversationRecord(id: string): ConversationRecord {
  return {
    id, type: 'group', name: 'Group', participants: [], participantCount: 0, unreadCount: 0, muted: false, archived: false,
    updatedAt: '2026-01-01T00:00:00.000Z', createdAt: '2026-01-01T00:00:00.000Z', ranges: [], receipts: {}, left: false, draft: '',
  }
}

export function messageRecord(conversationId: string, id: string, more: Partial<MessageRecord> = {}): MessageRecord {
  return {
    conversationId, id, senderId: 'u', content: `message ${id}`, contentType: 'text', reactions: [],
    createdAt: '2026-01-01T00:00:00.000Z', deleted: false, touched: 0, ...more,
  }
}

export function outboxRecord(clientMessageId: string, conversationId: string, seq: number): OutboxRecord {
  return {
    clientMessageId, conversationId, seq, content: 'x', contentType: 'text', paused: false, createdAtMs: 0, state: 'pending', attempts: 0, written: false,
  }
}
