import { defineConfig } from '@playwright/test'
import base from './playwright.config'

// Not tests: they make pictures for people.
export default defineConfig({
  ...base,
  testMatch: '*.pictures.ts',
  workers: 1,
  fullyParallel: false,
  projects: [{ name: 'screenshots' }],
})
