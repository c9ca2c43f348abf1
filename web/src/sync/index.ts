export type * from './api'
export { ClientError } from '../transport'
export { createClient } from './client'
