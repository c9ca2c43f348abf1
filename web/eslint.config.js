import jsxA11y from 'eslint-plugin-jsx-a11y'
import reactHooks from 'eslint-plugin-react-hooks'
import globals from 'globals'
import tseslint from 'typescript-eslint'

// Layers, lowest first. Each may import those before it; ui is a leaf that only features may use.
const layers = ['protocol', 'transport', 'db', 'sync', 'features']
const react = ['react', 'react-dom', 'react-dom/*', 'react/*', '@tanstack/react-virtual', 'zustand', 'zustand/*']

function forbid(names, message) {
  return names.map((name) => ({ group: [`**/${name}/*`, `**/${name}`], message }))
}

function layer(name, forbidden, message, withoutReact = false) {
  return {
    files: [`src/${name}/**/*.{ts,tsx}`],
    rules: {
      'no-restricted-imports': ['error', {
        patterns: [
          ...forbid(forbidden, message),
          ...(withoutReact ? [{ group: react, message: `${name} is part of @murre/client, which works without React.` }] : []),
        ],
      }],
    },
  }
}

export default tseslint.config(
  { ignores: ['dist', 'client/dist', 'node_modules', 'test-results', 'playwright-report'] },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.{ts,tsx}'],
    languageOptions: { globals: globals.browser },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      'max-lines': ['error', { max: 400, skipComments: true, skipBlankLines: true }],
      'no-console': 'error',
    },
  },
  { files: ['src/protocol/generated*.ts'], rules: { 'max-lines': 'off' } },
  { files: ['**/*.mjs', '*.config.*', 'e2e/**'], languageOptions: { globals: globals.node }, rules: { 'no-console': 'off' } },
  { files: ['**/*.tsx'], ...jsxA11y.flatConfigs.recommended },
  {
    files: ['src/{features,ui}/**/*.{ts,tsx}', 'src/*.tsx'],
    plugins: { 'react-hooks': reactHooks },
    rules: { 'react-hooks/rules-of-hooks': 'error', 'react-hooks/exhaustive-deps': 'error' },
  },
  ...layers.slice(0, 4).map((name, i) =>
    layer(name, [...layers.slice(i + 1), 'ui'], `${name} must not know the layers above it: protocol <- transport <- db <- sync <- features.`, true)),
  layer('features', ['protocol', 'transport', 'db'], 'features talk to the engine through src/sync.'),
  layer('ui', [...layers], 'ui holds primitives that know nothing of the chat.'),
)
