export type * from './api'
