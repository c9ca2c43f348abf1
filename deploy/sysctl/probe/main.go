//go:build linux

// Command probe shows what each kernel setting of 99-murre.conf does: every experiment runs in a network namespace of its own,
// once with the kernel's default and once with ours, and prints what was different. Nothing outside of it is changed.
//
// It wants root, for the namespaces, and the commands ip and nft. Settings that have no namespace (descriptors, memory of
// all sockets, the receive queue of a processor) are only read, with the counters that tell whether they bind.
//
//	go run ./deploy/sysctl/probe             # a Markdown table; takes about three minutes
//	go run ./deploy/sysctl/probe -only ports
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// experiment is what is done under two settings.
type experiment struct {
	name  string
	about string
	sets  []string               // name=value, several parted by ";", one experiment each
	do    func() (string, error) // in the namespace, with a setting made
}

// within is how long one experiment may take.
const within = 4 * time.Minute

func main() {
	only := flag.String("only", "", "one experiment: "+strings.Join(names(), ", "))
	inside := flag.String("inside", "", "for the program's own use: the experiment to do in this namespace")
	set := flag.String("set", "", "for the program's own use: its settings")
	flag.Parse()
	if *inside != "" {
		text, err := perform(*inside, *set)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(text)
		return
	}
	if err := all(*only); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func names() (out []string) {
	for _, e := range experiments() {
		out = append(out, e.name)
	}
	return out
}

// all does the experiments one after the other.
func all(only string) error {
	if only != "" && !slices.Contains(names(), only) {
		return fmt.Errorf("no experiment %q", only)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Printf("| what is done | setting | what came of it |\n|---|---|---|\n")
	for _, e := range experiments() {
		if only != "" && only != e.name {
			continue
		}
		about := e.about
		for _, set := range e.sets {
			ctx, cancel := context.WithTimeout(context.Background(), within)
			cmd := exec.CommandContext(ctx, self, "-inside", e.name, "-set", set)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			cancel()
			if err != nil {
				return fmt.Errorf("%s with %s: %w", e.name, set, err)
			}
			fmt.Printf("| %s | %s | %s |\n", about, "`"+strings.ReplaceAll(set, ";", "`, `")+"`", strings.TrimSpace(string(out)))
			about = ""
		}
	}
	if only == "" {
		return globals()
	}
	return nil
}

// perform makes the settings and does an experiment; it runs in the namespace.
func perform(name, set string) (string, error) {
	if err := command("ip", "link", "set", "lo", "up"); err != nil {
		return "", err
	}
	for _, s := range strings.Split(set, ";") {
		key, value, _ := strings.Cut(s, "=")
		if err := write(key, value); err != nil {
			return "", err
		}
	}
	for _, e := range experiments() {
		if e.name == name {
			return e.do()
		}
	}
	return "", fmt.Errorf("no experiment %q", name)
}

func path(key string) string { return filepath.Join("/proc/sys", strings.ReplaceAll(key, ".", "/")) }

func write(key, value string) error {
	if err := os.WriteFile(path(key), []byte(value), 0o644); err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	return nil
}

func read(key string) string {
	b, err := os.ReadFile(path(key))
	if err != nil {
		return "not there"
	}
	return strings.Join(strings.Fields(string(b)), " ")
}

// command runs a program in the namespace.
func command(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// dropping drops packets that come in and match.
func dropping(match string) error {
	for _, line := range []string{"add table ip probe", "add chain ip probe in { type filter hook input priority 0 ; }", "add rule ip probe in " + match + " drop"} {
		if err := command("nft", strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}
