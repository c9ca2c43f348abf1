import { existsSync } from 'node:fs'
import { defineConfig, devices } from '@playwright/test'

// The system's browser: what Debian ships is what its people have. CHROMIUM names another one.
const chromium = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path))

export default defineConfig({
  testDir: 'e2e',
  testMatch: '*.spec.ts',
  outputDir: 'test-results',
  fullyParallel: true,
  workers: Number(process.env.WEB_TEST_WORKERS ?? 2),
  retries: 0,
  forbidOnly: true,
  // Generous: a machine that does other things besides must not make a right client look wrong.
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [['list']],
  use: {
    ...devices['Desktop Chrome'],
    actionTimeout: 20_000,
    navigationTimeout: 30_000,
    screenshot: 'only-on-failure',
    trace: 'retain-on-failure',
    launchOptions: { executablePath: chromium, args: ['--force-color-profile=srgb'] },
  },
  projects: [
    // MURRE_WEB_URL points at a server that somebody else runs, a cluster's balancer for one: what ends and starts its own
    // server, or needs --demo, is not for it.
    { name: 'chromium', grepInvert: process.env.MURRE_WEB_URL === undefined ? /@measure/ : /@measure|@own-server/ },
    // What is measured runs by itself, after everything else.
    // Nothing else may work in the page then, Playwright's own recording neither.
    { name: 'measure', grep: /@measure/, use: { trace: 'off', screenshot: 'off', video: 'off' }, dependencies: process.env.WEB_MEASURE_ONLY === undefined ? ['chromium'] : [], fullyParallel: false, workers: 1 },
  ],
})
