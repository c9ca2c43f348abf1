import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const program = process.env.MURRE_BIN ?? resolve(fileURLToPath(import.meta.url), '../../../bin/murre')

// Below the range from which the system gives ports away: nobody takes ours while a killed server is down.
const firstPort = 18_100
const ports = 300

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = firstPort + Math.floor(Math.random() * ports)
    const probe = createServer()
    const free = await new Promise<boolean>((done) => {
      probe.once('error', () => { done(false) })
      probe.listen(port, '127.0.0.1', () => { done(true) })
    })
    if (!free) continue
    probe.close()
    await once(probe, 'close')
    return port
  }
  throw new Error(`no free port from ${firstPort} to ${firstPort + ports - 1}`)
}

/** A real server in a folder of its own, which can be killed and comes back where it was. */
export class Server {
  readonly url: string
  readonly #port: number
  readonly #folder: string
  readonly #args: string[]
  #process: ChildProcess | undefined
  #said = ''

  private constructor(port: number, folder: string, args: string[]) {
    this.#port = port
    this.url = `http://127.0.0.1:${port}`
    this.#folder = folder
    this.#args = args
  }

  static async start(...args: string[]): Promise<Server> {
    const server = new Server(await freePort(), await mkdtemp(join(tmpdir(), 'murre-web-')), args)
    await server.start()
    return server
  }

  async start(): Promise<void> {
    const child = spawn(program, [
      'serve', '--listen', `127.0.0.1:${this.#port}`, '--admin', 'off', '--data', this.#folder, '--rate', 'off',
      '--log-level', 'warn', '--store-cache', '8MiB', '--store-memory', '8MiB', ...this.#args,
    ], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => { this.#said = (this.#said + text).slice(-8_000) })
    }
    let failed: Error | undefined
    child.once('error', (error) => { failed = error })
    const until = Date.now() + 60_000
    while (!(await answers(`${this.url}/readyz`))) {
      if (failed !== undefined) throw new Error(`${program}: ${failed.message}`)
      if (child.exitCode !== null || Date.now() > until) throw new Error(`the server doesn't start:\n${this.#said}`)
      await new Promise((resume) => setTimeout(resume, 50))
    }
  }

  /** Ends it as a power cut would: nothing is flushed, no client is told. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    // A drain may take its time over waves of clients; tests needn't wait for it.
    const late = setTimeout(() => { child.kill('SIGKILL') }, 3_000)
    await gone
    clearTimeout(late)
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok
  } catch {
    return false
  }
}
