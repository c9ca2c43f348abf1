// Package redispresence is the presence of one gateway of a cluster: the roster of its connections, with interests in Redis
// and the question whether somebody is connected to another gateway answered by the session registry.
//
// watch:{user} is a zset of those who want to hear of a user, scored by when that ends (ms by Redis's clock), at most 1,024,
// gone when nobody asked for five minutes. It is read only when a state changes: the gateway whose connection came or went
// reads it and tells. A second connection at another gateway may be told of again; that somebody left is told only when no
// gateway holds a connection. A gateway that dies tells of nobody: watchers learn it when they ask again.
//
// With Redis gone, those connected to this gateway still hear of each other: their interests are in its memory too.
//
// Interests are queued (at most 8,192 askings) and written by Run in pipelines; beyond that they are dropped, and the watcher
// sees changes after asking again.
package redispresence
