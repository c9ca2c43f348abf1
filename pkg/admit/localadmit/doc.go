// Package localadmit admits in a single process: sliding windows in memory (admit/window), and claims that are in memory
// while a message is being committed (admit/flight) and in the store's claim rows afterwards. As every message of the store
// passes through this process, a key is always found in one of the two, and a retry never makes a second message. A filter
// over the keys of the last minutes (recent.go) spares the usual message the look into the store, once the process is ten
// seconds old.
//
// Lock order: none, one lock is held at a time and nothing is called under it.
package localadmit
