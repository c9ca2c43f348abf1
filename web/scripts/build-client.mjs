// Builds @murre/client into client/dist: ES modules of the layers below the interface, and their types.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const root = fileURLToPath(new URL('..', import.meta.url))
const out = join(root, 'client/dist')
await rm(out, { recursive: true, force: true })
await build({
  root, configFile: false, logLevel: 'warn', publicDir: false,
  build: {
    outDir: out, target: 'es2022', minify: false, sourcemap: true,
    lib: {
      formats: ['es'],
      entry: Object.fromEntries([['index', 'sync'], ['protocol', 'protocol'], ['transport', 'transport'], ['db', 'db']]
        .map(([name, folder]) => [name, join(root, 'src', folder, 'index.ts')])),
    },
    rollupOptions: { external: ['dexie', /^zod/] },
  },
})

execFileSync(process.execPath, [createRequire(import.meta.url).resolve('typescript/lib/tsc.js'), '-p', join(root, 'client/tsconfig.json')], { stdio: 'inherit' })

// Node's resolution wants file names in full, which the sources leave to the bundler.
for (const entry of await readdir(out, { recursive: true })) {
  if (!entry.endsWith('.d.ts')) continue
  const file = join(out, entry)
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace(/((?:from|import\()\s*['"])(\.\.?(?:\/[^'"]*)?)(['"])/g, (_, before, path, after) => {
    const target = join(dirname(file), path)
    return before + path + (existsSync(`${target}.d.ts`) ? '.js' : '/index.js') + after
  }))
}
