import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const path = (p: string) => fileURLToPath(new URL(p, import.meta.url))

it('is what the server says about itself', async () => {
  const bin = process.env.MURRE_BIN ?? path('../../../bin/murre')
  expect(existsSync(bin), `${bin} is missing: make build`).toBe(true)
  await promisify(execFile)(process.execPath, [path('../../scripts/generate.mjs'), '--check'], { env: { ...process.env, MURRE_BIN: bin } })
})
