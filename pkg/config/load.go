package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// envPrefix begins the names of environment variables that set options.
const envPrefix = "MURRE_"

// Load fills c, whose Flags are registered in fs and parsed, from the file and the environment where no flag was given,
// and validates the whole. environ is like os.Environ(). Errors name the option and where it was set.
func (c *Config) Load(fs *pflag.FlagSet, environ []string) error {
	fromEnv := koanf.New("\x00")
	known := map[string]string{} // option → variable
	err := fromEnv.Load(env.Provider("\x00", env.Opt{
		Prefix: envPrefix,
		TransformFunc: func(k, v string) (string, any) {
			name := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(k, envPrefix)), "_", "-")
			if fs.Lookup(name) == nil {
				return "", nil // another program's, or a test's
			}
			known[name] = k
			return name, v
		},
		EnvironFunc: func() []string { return environ },
	}), nil)
	if err != nil {
		return fmt.Errorf("config: environment: %w", err)
	}

	path, origin := "", "--config"
	if f := fs.Lookup("config"); f != nil {
		path = f.Value.String()
		if !f.Changed && fromEnv.Exists("config") {
			path, origin = fromEnv.String("config"), envPrefix+"CONFIG"
		}
	}
	fromFile := koanf.New("\x00")
	if path != "" {
		if err := fromFile.Load(file.Provider(path), yaml.Parser()); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("%s: no such file %s", origin, path)
			}
			return fmt.Errorf("%s: %s: %w", origin, path, err)
		}
		for key := range fromFile.Raw() {
			if key == "config" || fs.Lookup(key) == nil {
				return fmt.Errorf("%s: unknown option %q (the keys are the flags' names, see murre serve --help)", path, key)
			}
		}
	}

	var failed error
	fs.VisitAll(func(f *pflag.Flag) {
		if failed != nil || f.Name == "config" {
			return
		}
		failed = overlay(f, fromFile, path, fromEnv, known[f.Name])
	})
	if failed != nil {
		return failed
	}
	return c.Validate()
}

// overlay sets one option from file and environment below what flags said.
func overlay(f *pflag.Flag, fromFile *koanf.Koanf, path string, fromEnv *koanf.Koanf, variable string) error {
	var flags []string
	rates, merged := f.Value.(*Rates)
	switch {
	case merged:
		// Rates add up by name: file, then environment, then flags.
		flags = rates.given
		*rates = DefaultRates()
	case f.Changed:
		return nil
	}
	set := func(origin string, values []string) error {
		for _, v := range values {
			if err := f.Value.Set(v); err != nil {
				return fmt.Errorf("%s: %s: %w", origin, f.Name, err)
			}
		}
		return nil
	}
	if raw, ok := fromFile.Raw()[f.Name]; ok && (merged || variable == "") {
		values, err := texts(raw, merged)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, f.Name, err)
		}
		if err := set(path, values); err != nil {
			return err
		}
	}
	if variable != "" {
		if err := set(variable, []string{fromEnv.String(f.Name)}); err != nil {
			return err
		}
	}
	return set("--"+f.Name, flags)
}

// texts turns a value of the file into what a flag would have been given: a list is joined by commas (or, for rates,
// given one by one), a map of rates reads name: count/window.
func texts(raw any, merged bool) ([]string, error) {
	switch v := raw.(type) {
	case nil:
		return nil, errors.New("has no value")
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			if _, ok := e.(string); !ok {
				return nil, fmt.Errorf("item %d is not text", i+1)
			}
			parts[i] = e.(string)
		}
		if merged {
			return parts, nil
		}
		return []string{strings.Join(parts, ",")}, nil
	case map[string]any:
		if !merged {
			return nil, errors.New("wants one value, not a map")
		}
		var parts []string
		for name, e := range v {
			if e == false { // YAML reads a bare off as false
				e = "off"
			}
			parts = append(parts, fmt.Sprintf("%s=%v", name, e))
		}
		return parts, nil
	case bool:
		if merged && !v {
			return []string{"off"}, nil
		}
		return []string{fmt.Sprint(v)}, nil
	case string, int, int64, uint64, float64:
		return []string{fmt.Sprint(v)}, nil
	}
	return nil, fmt.Errorf("wants text or a number, not %T", raw)
}
