// Package localpresence is the presence of a single process: a count of connections a user, and who wants to know.
//
// Memory: about 50 bytes a connected user; 24 bytes an interest, of which at most 1 M are held in all, 1,000 a watcher and
// 1,024 a watched user. Interest beyond that is dropped: its watcher sees changes when it asks again.
//
// One mutex guards everything; nothing is called and nothing is stored under it.
package localpresence
