// Puts a build where the server's program embeds it, with a compressed form beside each file that gains by one:
//   node scripts/embed.mjs dist ../pkg/webui/built
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { constants, gzipSync } from 'node:zlib'

const [from, to] = process.argv.slice(2)
if (from === undefined || to === undefined) throw new Error('usage: embed.mjs FROM TO')

// Pictures and fonts are compressed as they are.
const texts = new Set(['.html', '.js', '.css', '.json', '.webmanifest', '.svg', '.txt'])
/** Below this a packet holds it anyhow. */
const worthwhile = 1_000

await mkdir(to, { recursive: true })
for (const name of await readdir(to)) {
  if (name !== 'README') await rm(join(to, name), { recursive: true })
}
await cp(from, to, { recursive: true })
for (const entry of await readdir(to, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !texts.has(extname(entry.name))) continue
  const path = join(entry.parentPath, entry.name)
  const content = await readFile(path)
  if (content.length < worthwhile) continue
  const zipped = gzipSync(content, { level: constants.Z_BEST_COMPRESSION })
  if (zipped.length < content.length) await writeFile(`${path}.gz`, zipped)
}
