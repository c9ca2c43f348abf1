// Package observe makes logs and metrics visible: the slog logger, a Prometheus registry that collects plain numbers at
// scrape time, a histogram cheap enough for the per-message path, and the operators' HTTP handlers (metrics, pprof).
//
// Parts of Murre don't import it: they count in their own atomics and declare the one-method interface they observe
// latencies with; pkg/app connects the two. Labels are bounded: a label's values come from the code, never from people.
package observe
