// Package window counts events by key in sliding windows, in memory: what engines of admission use where they count in one
// process.
//
// A window counts in steps of 1/256 of its width, so it is exact to 0.4 %. Memory: at most 2 KiB a key that was active
// within its window, keys that are idle are swept by Sweep, and at most 1 M keys are held; beyond that a key chosen at random
// is forgotten, which lets its owner start anew.
//
// Lock order: none, one shard's lock is held at a time and nothing is called under it.
package window
