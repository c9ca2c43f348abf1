//go:build !linux

package doctor

// Elsewhere than on Linux, where people develop, these are unknown.

func memory() int64                  { return 0 }
func clockSynced() *bool             { return nil }
func freeBytes(string) (int64, bool) { return 0, false }
