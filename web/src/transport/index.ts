/**
 * The ways to the server: a socket that comes back by itself, the HTTP API, uploads. It knows nothing of caches or of what a
 * message means. Start with socket.ts and rest.ts.
 */
export * from './backoff'
export * from './clock'
export * from './endpoints'
export * from './errors'
export * from './rest'
export * from './socket'
export * from './upload'
