import { createHash } from 'node:crypto'

const fromPublic = ['/icon.svg', '/icon-maskable.svg', '/manifest.webmanifest']

/**
 * A Vite plugin: builds src/sw.ts to /sw.js and tells it which files make the page, so that it can keep them. What belongs to the
 * demo's page alone is left out.
 */
export function serviceWorker() {
  return {
    name: 'murre-service-worker',
    apply: 'build',
    enforce: 'post',
    buildStart() {
      this.emitFile({ type: 'chunk', id: 'src/sw.ts', fileName: 'sw.js' })
    },
    generateBundle(_, bundle) {
      const worker = bundle['sw.js']
      if (worker === undefined) throw new Error('the build has no sw.js')
      const page = Object.values(bundle).filter((file) => file.fileName !== 'sw.js' && !file.fileName.endsWith('.map') && !/demo/.test(file.fileName))
      const files = ['/', ...page.filter((file) => !file.fileName.endsWith('.html')).map((file) => `/${file.fileName}`), ...fromPublic].sort()
      const version = createHash('sha256')
      for (const file of page) version.update(file.fileName).update(file.type === 'chunk' ? file.code : file.source)
      const shell = JSON.stringify({ version: version.digest('hex').slice(0, 12), files })
      worker.code = worker.code.replaceAll('__SHELL__', () => `(${shell})`)
    },
  }
}
