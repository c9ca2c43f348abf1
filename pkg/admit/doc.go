// Package admit decides whether an action may happen now: sliding-window rate limits, and claims, which bind a sender's
// clientMessageId to one message id so that a retry never makes a second message.
//
// localadmit is the engine of a single process, redisadmit that of many gateways; window and flight are what both count and
// hold in memory. admittest is the suite every engine passes.
package admit
