import { restSchemas as s, type Rest as Wire } from '../protocol'
import type { Rest } from './rest'

export interface HistoryQuery {
  before?: string
  since?: string
  around?: string
  limit?: number
}

const to = encodeURIComponent

/** The REST API, call by call. */
export class Endpoints {
  readonly rest: Rest

  constructor(rest: Rest) {
    this.rest = rest
  }

  register(body: Wire.RegisterInput) {
    return this.rest.get(s.account, { method: 'POST', path: '/auth/register', body, beforeSession: true })
  }
  login(body: Wire.LoginInput) {
    return this.rest.get(s.account, { method: 'POST', path: '/auth/login', body, beforeSession: true })
  }
  logout() {
    return this.rest.run({ method: 'POST', path: '/auth/logout', beforeSession: true })
  }
  me() {
    return this.rest.get(s.user, { path: '/me' })
  }
  updateMe(body: Wire.ProfileInput) {
    return this.rest.get(s.user, { method: 'PATCH', path: '/me', body, idempotent: true })
  }
  changePassword(body: Wire.PasswordInput) {
    return this.rest.run({ method: 'POST', path: '/me/password', body, beforeSession: true })
  }
  async sessions() {
    return (await this.rest.get(s.sessionsAnswer, { path: '/me/sessions' })).sessions
  }
  revokeSession(id: string) {
    return this.rest.run({ method: 'DELETE', path: `/me/sessions/${to(id)}` })
  }
  revokeSessions(keepCurrent: boolean) {
    return this.rest.run({ method: 'DELETE', path: '/me/sessions', query: { keepCurrent } })
  }
  async devices() {
    return (await this.rest.get(s.devicesAnswer, { path: '/me/devices' })).devices
  }
  deleteDevice(id: string) {
    return this.rest.run({ method: 'DELETE', path: `/me/devices/${to(id)}` })
  }

  async searchUsers(query: string, limit?: number) {
    return (await this.rest.get(s.usersAnswer, { path: '/users', query: { query, limit } })).users
  }
  user(id: string) {
    return this.rest.get(s.user, { path: `/users/${to(id)}` })
  }
  async blocks() {
    return (await this.rest.get(s.usersAnswer, { path: '/blocks' })).users
  }
  block(id: string) {
    return this.rest.run({ method: 'POST', path: `/blocks/${to(id)}`, idempotent: true })
  }
  unblock(id: string) {
    return this.rest.run({ method: 'DELETE', path: `/blocks/${to(id)}` })
  }
  async presence(userIds: readonly string[]) {
    return (await this.rest.get(s.presenceAnswer, { path: '/presence', query: { userIds: userIds.join(',') } })).presence
  }

  conversations(cursor?: string, limit?: number) {
    return this.rest.get(s.conversationsAnswer, { path: '/conversations', query: { cursor, limit } })
  }
  conversation(id: string) {
    return this.rest.get(s.conversation, { path: `/conversations/${to(id)}` })
  }
  createConversation(body: Wire.CreateInput) {
    return this.rest.get(s.conversation, { method: 'POST', path: '/conversations', body, idempotent: body.type === 'direct' })
  }
  changeConversation(id: string, body: Wire.ChangeInput) {
    return this.rest.get(s.conversation, { method: 'PATCH', path: `/conversations/${to(id)}`, body, idempotent: true })
  }
  setPreferences(id: string, body: Wire.PreferencesInput) {
    return this.rest.run({ method: 'PATCH', path: `/conversations/${to(id)}/me`, body, idempotent: true })
  }
  members(id: string, cursor?: string) {
    return this.rest.get(s.membersAnswer, { path: `/conversations/${to(id)}/members`, query: { cursor } })
  }
  addMembers(id: string, userIds: string[]) {
    return this.rest.get(s.conversation, { method: 'POST', path: `/conversations/${to(id)}/members`, body: { userIds } satisfies Wire.AddMembersInput, idempotent: true })
  }
  removeMember(id: string, userId: string) {
    return this.rest.run({ method: 'DELETE', path: `/conversations/${to(id)}/members/${to(userId)}` })
  }
  setRole(id: string, userId: string, role: 'admin' | 'member') {
    return this.rest.run({ method: 'PATCH', path: `/conversations/${to(id)}/members/${to(userId)}`, body: { role } satisfies Wire.RoleInput, idempotent: true })
  }

  history(id: string, query: HistoryQuery) {
    return this.rest.get(s.historyAnswer, { path: `/conversations/${to(id)}/messages`, query: { ...query } })
  }
  message(id: string, messageId: string) {
    return this.rest.get(s.message, { path: `/conversations/${to(id)}/messages/${to(messageId)}` })
  }
  edit(id: string, messageId: string, content: string) {
    return this.rest.get(s.message, { method: 'PATCH', path: `/conversations/${to(id)}/messages/${to(messageId)}`, body: { content } satisfies Wire.EditInput, idempotent: true })
  }
  remove(id: string, messageId: string) {
    return this.rest.run({ method: 'DELETE', path: `/conversations/${to(id)}/messages/${to(messageId)}` })
  }
  react(id: string, messageId: string, emoji: string) {
    const path = `/conversations/${to(id)}/messages/${to(messageId)}/reactions`
    if (emoji === '') return this.rest.run({ method: 'DELETE', path })
    return this.rest.run({ method: 'POST', path, body: { emoji } satisfies Wire.ReactInput, idempotent: true })
  }
  async receipts(id: string, since?: string) {
    return (await this.rest.get(s.receiptList, { path: `/conversations/${to(id)}/receipts`, query: { since } })).receipts
  }
  async messageReceipts(id: string, messageId: string) {
    return (await this.rest.get(s.receiptList, { path: `/conversations/${to(id)}/messages/${to(messageId)}/receipts` })).receipts
  }

  newMedia(body: Wire.NewMediaInput) {
    return this.rest.get(s.newMediaAnswer, { method: 'POST', path: '/media', body })
  }
  completeMedia(id: string) {
    return this.rest.get(s.media, { method: 'POST', path: `/media/${to(id)}/complete`, idempotent: true })
  }
}
