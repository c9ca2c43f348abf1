// Package config is the one struct of options, and how it is filled: defaults, then a YAML file, then MURRE_* environment
// variables, then flags; the later wins. An option has one name everywhere: --log-level, MURRE_LOG_LEVEL, log-level.
//
// It holds plain values and checks them; it builds nothing. Start with config.go (the options), then load.go.
package config
