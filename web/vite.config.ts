import { existsSync } from 'node:fs'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { serviceWorker } from './scripts/service-worker.mjs'

// The development server answers with the pages; everything else goes to a `murre serve` beside it.
const server = process.env.MURRE_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react(), serviceWorker()],
  build: {
    target: 'es2022',
    // Inlined data: URLs would need a wider content security policy.
    assetsInlineLimit: 0,
    rollupOptions: { input: ['index.html', 'demo.html'].filter((page) => existsSync(page)) },
  },
  server: {
    proxy: { '/api': server, '/openapi.json': server, '/asyncapi.json': server, '/ws': { target: server, ws: true } },
  },
})
