// A bot that answers every message it gets, exactly once.   MURRE_URL=http://127.0.0.1:8080 node bot.mjs username password
import { createHash } from 'node:crypto'
import WebSocket from 'ws' // Node 22 and later bring their own
import { createClient } from '@murre/client'

const [username, password] = process.argv.slice(2)
const client = createClient({ url: process.env.MURRE_URL ?? 'http://127.0.0.1:8080', WebSocket })

// An answer is named after what it answers: given twice, after a crash perhaps, the server takes it once.
const nameOf = (id) => {
  const h = createHash('sha256').update(`answer to ${id}`).digest('hex')
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-8${h.slice(13, 16)}-8${h.slice(17, 20)}-${h.slice(20, 32)}`
}

// The client comes back by itself, shows each message once, and keeps what is sent until the server has it.
client.messages.onMessage((message) => {
  if (message.deleted || message.mine) return
  client.messages.send(message.conversationId, {
    content: `You said: ${message.content}`,
    replyTo: message.id,
    clientMessageId: nameOf(message.id),
  }).catch((error) => console.error('not answered:', error.message))
})

client.connection.subscribe(() => console.error(new Date().toISOString(), client.connection.get().state))
await client.ready
await client.session.login(username, password)
process.on('SIGTERM', () => client.close())
