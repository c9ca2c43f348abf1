package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/murre-chat/murre/pkg/admit"
)

// other is for each option a value that differs from its default.
var other = map[string]string{
	"listen": "0.0.0.0:8081", "admin": "127.0.0.1:9091", "data": "elsewhere", "tls-cert": "c.pem", "tls-key": "k.pem",
	"trusted-proxies": "10.0.0.0/8,fd00::/8", "allowed-origins": "https://a.example,https://b.example", "demo": "true",
	"drain-timeout": "7s", "transport": "goroutine", "loops": "3", "max-connections": "1000", "max-message": "64KiB",
	"max-fragments": "4", "max-control-rate": "20", "outbound-queue": "1MiB", "handshake-timeout": "2s", "heartbeat": "20s",
	"verify-interval": "10s", "verify-idle": "1h0m0s", "registration": "closed",
	"jwt-secret-file": "secret", "jwt-public-key": "key.pem", "jwt-jwks": "https://id.example/keys", "jwt-issuer": "us",
	"jwt-audience": "them", "rate": "message=7/2m", "max-media": "1GiB", "store": "cql://h1/murre", "redis": "redis://h1:6379", "s3": "https://k:s@h1/b", "name": "g1",
	"clock-offset": "5m0s", "fault-bus-drop": "20", "store-cache": "128MiB",
	"store-memory": "16MiB", "memory-limit": "2GiB", "gogc": "50", "log-level": "debug", "log-format": "json",
}

// needs are options that must be set too for an option to be valid.
var needs = map[string][]string{
	"tls-cert": {"tls-key"}, "tls-key": {"tls-cert"}, "jwt-issuer": {"jwt-secret-file"}, "jwt-audience": {"jwt-secret-file"},
	"store": {"redis", "s3"}, "redis": {"store", "s3"}, "s3": {"store", "redis"},
}

func load(t *testing.T, file string, environ, args []string) (*Config, error) {
	t.Helper()
	c := Default()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	c.Flags(fs)
	if file != "" {
		path := filepath.Join(t.TempDir(), "murre.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"--config", path}, args...)
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	return c, c.Load(fs, environ)
}

func options(t *testing.T) []string {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	Default().Flags(fs)
	var names []string
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Name != "config" {
			names = append(names, f.Name)
		}
	})
	return names
}

func variable(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

func value(t *testing.T, c *Config, name string) string {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	c.Flags(fs)
	return fs.Lookup(name).Value.String()
}

// TestEveryOptionEverywhere: each option can be set by flag, variable and file, to the same effect.
func TestEveryOptionEverywhere(t *testing.T) {
	names := options(t)
	if len(names) != len(other) {
		t.Errorf("%d options, but values for %d in this test", len(names), len(other))
	}
	if fields := reflect.TypeFor[Config]().NumField(); fields != len(names) {
		t.Errorf("Config has %d fields, but there are %d options", fields, len(names))
	}
	for _, name := range names {
		v, ok := other[name]
		if !ok {
			t.Errorf("no value for --%s in this test", name)
			continue
		}
		set := map[string]string{name: v}
		for _, n := range needs[name] {
			set[n] = other[n]
		}
		var args, environ, lines []string
		for n, v := range set {
			args = append(args, "--"+n+"="+v)
			environ = append(environ, variable(n)+"="+v)
			lines = append(lines, fmt.Sprintf("%s: %q", n, v))
		}
		var results []string
		for origin, run := range map[string]func() (*Config, error){
			"flag": func() (*Config, error) { return load(t, "", nil, args) },
			"env":  func() (*Config, error) { return load(t, "", environ, nil) },
			"file": func() (*Config, error) { return load(t, strings.Join(lines, "\n"), nil, nil) },
		} {
			c, err := run()
			if err != nil {
				t.Errorf("--%s by %s: %v", name, origin, err)
				continue
			}
			results = append(results, value(t, c, name))
			if got, def := value(t, c, name), value(t, Default(), name); got == def {
				t.Errorf("--%s by %s changed nothing: %q", name, origin, got)
			}
		}
		for _, r := range results {
			if r != results[0] {
				t.Errorf("--%s differs by origin: %q", name, results)
			}
		}
	}
}

func TestPrecedence(t *testing.T) {
	c, err := load(t, "heartbeat: 10s\nlog-level: warn\nloops: 2", []string{"MURRE_HEARTBEAT=20s", "MURRE_LOG_LEVEL=error", "MURRE_NOBODY=1", "HOME=/"}, []string{"--heartbeat=30s"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Heartbeat.String() != "30s" || c.LogLevel != "error" || c.Loops != 2 {
		t.Errorf("heartbeat %v (flag: 30s), log-level %s (env: error), loops %d (file: 2)", c.Heartbeat, c.LogLevel, c.Loops)
	}
	if _, err := load(t, "", []string{"MURRE_CONFIG=/nowhere/murre.yaml"}, nil); err == nil || !strings.Contains(err.Error(), "MURRE_CONFIG") {
		t.Errorf("a missing file named by the environment: %v", err)
	}
}

func TestRates(t *testing.T) {
	c, err := load(t, "rate:\n  message: 1/1m\n  typing: 2/1m\n  other: off\n", []string{"MURRE_RATE=typing=3/1m,connect=4/1m"}, []string{"--rate", "connect=5/1m", "--rate", "conversation=off"})
	if err != nil {
		t.Fatal(err)
	}
	want := "message=1/1m,conversation=off,typing=3/1m,connect=5/1m,connect-address=300/1m,auth-address=20/1m,other=off"
	if got := c.Rates.String(); got != want {
		t.Errorf("rates\n got %s\nwant %s", got, want)
	}
	for _, off := range []string{"rate: off", "rate: [off]", `rate: "off"`} {
		c, err := load(t, off, nil, nil)
		if strings.Contains(off, "[") {
			if err == nil {
				continue
			}
			t.Logf("%s: %v", off, err) // a bare off in a list is YAML's false
			continue
		}
		if err != nil || c.Rates.Limits() != [admit.NumLimits]admit.Rate{} {
			t.Errorf("%s: %v, %v", off, c, err)
		}
	}
	c, err = load(t, "", nil, []string{"--rate", "off", "--rate", "auth-address=5/1s"})
	if err != nil || c.Rates.Limits()[admit.LimitAuthAddress].Count != 5 || c.Rates.Limits()[admit.LimitMessage].Count != 0 {
		t.Errorf("all off but one: %v", err)
	}
}

func TestErrorsNameTheOption(t *testing.T) {
	for _, tc := range []struct {
		file    string
		environ []string
		args    []string
		want    []string
	}{
		{args: []string{"--listen", "nowhere"}, want: []string{"--listen", "host:port"}},
		{args: []string{"--listen", "a:99999"}, want: []string{"--listen"}},
		{args: []string{"--admin", "127.0.0.1:8080"}, want: []string{"--admin", "--listen"}},
		{args: []string{"--transport", "carrier-pigeon"}, want: []string{"--transport", "epoll"}},
		{args: []string{"--transport", "epoll", "--tls-cert", "a", "--tls-key", "b"}, want: []string{"--transport", "TLS"}},
		{args: []string{"--tls-cert", "a"}, want: []string{"--tls-cert", "--tls-key"}},
		{args: []string{"--jwt-secret-file", "a", "--jwt-jwks", "https://x"}, want: []string{"--jwt-secret-file", "--jwt-jwks"}},
		{args: []string{"--jwt-issuer", "a"}, want: []string{"--jwt-issuer"}},
		{args: []string{"--rate", "message=0/1m"}, want: []string{"--rate", "count"}},
		{args: []string{"--rate", "letters=1/1m"}, want: []string{"--rate", "message, conversation"}},
		{args: []string{"--rate", "message=5"}, want: []string{"--rate", "COUNT/WINDOW"}},
		{args: []string{"--max-message", "lots"}, want: []string{"--max-message", "size"}},
		{args: []string{"--trusted-proxies", "10.0.0.0/99"}, want: []string{"--trusted-proxies", "network"}},
		{args: []string{"--allowed-origins", "chat.example"}, want: []string{"--allowed-origins"}},
		{args: []string{"--registration", "maybe"}, want: []string{"--registration"}},
		{args: []string{"--log-level", "loud", "--gogc", "1"}, want: []string{"--log-level", "--gogc"}},
		{environ: []string{"MURRE_HEARTBEAT=soon"}, want: []string{"MURRE_HEARTBEAT", "heartbeat"}},
		{environ: []string{"MURRE_RATE=message"}, want: []string{"MURRE_RATE"}},
		{file: "colour: red", want: []string{"murre.yaml", `"colour"`}},
		{file: "heartbeat: soon", want: []string{"murre.yaml", "heartbeat"}},
		{file: "heartbeat: {a: b}", want: []string{"murre.yaml", "heartbeat"}},
		{file: "rate: [1, 2]", want: []string{"murre.yaml", "rate"}},
		{file: "listen:", want: []string{"murre.yaml", "listen"}},
		{file: ":\n  - [", want: []string{"murre.yaml"}},
	} {
		_, err := load(t, tc.file, tc.environ, tc.args)
		if err == nil {
			t.Errorf("%v %v %q: no error", tc.args, tc.environ, tc.file)
			continue
		}
		for _, w := range tc.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%v %v %q: the error lacks %q: %v", tc.args, tc.environ, tc.file, w, err)
			}
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "17": 17, "17B": 17, "1KiB": 1024, "2 mib": 2 << 20, "3GB": 3e9, "1GiB": 1 << 30} {
		var b Bytes
		if err := b.Set(text); err != nil || int64(b) != want {
			t.Errorf("%q: %d, %v, want %d", text, b, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1.5MiB", "MiB", "9999999999GiB", "1TiBs"} {
		var b Bytes
		if err := b.Set(text); err == nil {
			t.Errorf("%q: accepted as %d", text, b)
		}
	}
}

func TestDefaultsAreValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}
