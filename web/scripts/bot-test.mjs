// The example bot against a real server that is killed three times: every message is answered exactly once.
//   node scripts/bot-test.mjs [messages]       MURRE_BIN (default ../bin/murre), MURRE_PORT (default a free one)
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import WebSocket from 'ws'
import { createClient } from '@murre/client'

const here = fileURLToPath(new URL('.', import.meta.url))
const total = Number(process.argv[2] ?? 1000)
const kills = [1, 2, 3].map((k) => Math.floor((total * k) / 4))
const conversations = 4 // groups of the two: in each, messages go one after the other

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

const data = await mkdtemp(join(tmpdir(), 'murre-bot-'))
const address = `127.0.0.1:${process.env.MURRE_PORT ?? await freePort()}`
const url = `http://${address}`
let server
let stopping = false

async function serve() {
  server = spawn(process.env.MURRE_BIN ?? join(here, '../../bin/murre'), ['serve', '--listen', address, '--admin', 'off', '--data', data, '--rate', 'off'], { stdio: ['ignore', 'ignore', 'inherit'] })
  for (const deadline = Date.now() + 60_000; ;) {
    if (await fetch(`${url}/readyz`).then((r) => r.ok, () => false)) return
    if (Date.now() > deadline) throw new Error('the server did not start')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function kill() {
  const dead = once(server, 'exit')
  server.kill('SIGKILL')
  await dead
  await serve()
}

function until(live, holds) {
  return new Promise((resolve) => {
    const look = () => {
      if (holds()) {
        leave()
        resolve()
      }
    }
    const leave = live.subscribe(look)
    look()
  })
}

let bot
const started = Date.now()
try {
  await serve()
  const person = createClient({ url, WebSocket, storage: 'memory' })
  const account = createClient({ url, WebSocket, storage: 'memory', leader: false })
  await person.ready
  await account.ready
  const robot = await account.session.register('answerbot', 'a-long-password', 'Answer bot')
  await account.close()
  await person.session.register('person', 'a-long-password', 'Person')
  await until(person.connection, () => person.connection.get().state === 'live')

  bot = spawn(process.execPath, [join(here, '../examples/bot.mjs'), 'answerbot', 'a-long-password'], { env: { ...process.env, MURRE_URL: url }, stdio: ['ignore', 'inherit', 'pipe'] })
  const botLive = new Promise((resolve) => bot.stderr.on('data', (text) => {
    process.stderr.write(`bot: ${text}`)
    if (String(text).includes(' live')) resolve()
  }))
  bot.once('exit', (code) => {
    if (!stopping) {
      console.error(`the bot ended with ${code}`)
      process.exit(1)
    }
  })

  await botLive

  const groups = []
  for (let i = 0; i < conversations; i++) groups.push(await person.conversations.createGroup(`Group ${i}`, [robot.id]))

  const answers = new Map() // content of the answer -> times heard
  let heard = 0
  let wake = () => undefined
  person.messages.onMessage((m) => {
    answers.set(m.content, (answers.get(m.content) ?? 0) + 1)
    heard++
    wake()
  })

  let killed = Promise.resolve()
  const sent = []
  for (let i = 0; i < total; i++) {
    const id = await person.messages.send(groups[i % conversations].id, { content: `message ${i}` })
    sent.push(person.messages.sent(id))
    // Some twenty are under way at a time, so that each kill meets some.
    if (sent.length >= 20) await sent.at(-20)
    if (kills.includes(i)) killed = killed.then(() => until(person.connection, () => person.connection.get().state === 'live')).then(kill)
  }
  await killed
  await Promise.all(sent)
  await new Promise((resolve) => {
    const patience = setTimeout(resolve, 120_000)
    wake = () => {
      if (heard < total) return
      clearTimeout(patience)
      resolve()
    }
    wake()
  })

  // The server's own history is what counts.
  const perMessage = new Map()
  let own = 0
  for (const group of groups) {
    const w = person.messages.open(group.id, { pageSize: 100 })
    await until(w, () => w.get().loaded && w.get().items.length > 0)
    while (w.get().hasOlder) await w.loadOlder()
    for (const m of w.get().items) {
      if (m.mine) own++
      else perMessage.set(m.replyToId, (perMessage.get(m.replyToId) ?? 0) + 1)
    }
    w.close()
  }
  const { lost, doubled, reordered, reconnects } = person.stats.get()
  const once = [...perMessage.values()].filter((n) => n === 1).length
  const heardOnce = [...answers.values()].filter((n) => n === 1).length
  console.log(JSON.stringify({ messages: own, answered: perMessage.size, answeredOnce: once, heardOnce, kills: kills.length, reconnects, lost, doubled, reordered, seconds: Math.round((Date.now() - started) / 1000) }))
  stopping = true
  await person.close()
  if (own !== total || once !== total || perMessage.size !== total || heardOnce !== total || heard !== total || lost + doubled + reordered > 0) process.exitCode = 1
} finally {
  stopping = true
  bot?.kill()
  server?.kill()
  if (server && server.exitCode === null) await once(server, 'exit')
  await rm(data, { recursive: true, force: true })
}
