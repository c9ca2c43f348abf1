// Package app puts Murre together: it is the only place that picks engines, builds the parts, and decides in which order
// they start and stop. New builds everything and binds the ports; Run serves until its context ends, then drains.
//
// The data folder:
//
//	store/        the embedded store (its own lock: one process at a time)
//	media/        uploaded files
//	server.json   who serves this folder now, and the key of the admin port's commands (pkg/operate)
//
// Start with app.go (the parts), then run.go (start, drain, stop). Connect (connect.go) is what the commands use instead.
package app
