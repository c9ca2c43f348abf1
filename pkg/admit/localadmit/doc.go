// Package localadmit admits in a single process: sliding windows in memory, and claims that are in memory while a message
// is being committed and in the store's claim rows afterwards. As every message of the store passes through this process,
// a key is always found in one of the two, and a retry never makes a second message. A filter over the keys of the last
// minutes (recent.go) spares the usual message the look into the store, once the process is ten seconds old.
//
// A window counts in steps of 1/256 of its width, so it is exact to 0.4 %. Memory: at most 2 KiB a key that was active
// within its window, keys that are idle are swept, and at most 1 M keys a limit are held; beyond that a key chosen at
// random is forgotten, which lets its owner start anew.
//
// Lock order: none, one shard's lock is held at a time and nothing is called under it.
package localadmit
