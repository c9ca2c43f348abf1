// Command cluster runs the topology of docker-compose.yml on this machine without Docker: `make cluster` and
// `make cluster-down`. It returns when the cluster is up; the servers go on running.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/murre-chat/murre/deploy/native"
)

const usage = `usage: cluster [options] up|down|status
`

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("cluster", flag.ContinueOnError)
	fs.Usage = func() { fmt.Fprint(fs.Output(), usage); fs.PrintDefaults() }
	dir := fs.String("dir", ".cluster", "folder for data, logs and pid files")
	subnet := fs.String("subnet", "127.0.20", "first three numbers of the addresses")
	nodes := fs.Int("cassandra", 1, "Cassandra nodes; with 3 every row is on all of them")
	gateways := fs.Int("gateways", 3, "gateways")
	versity := fs.Bool("versity", false, "versitygw instead of MinIO")
	binary := fs.String("binary", "bin/murre", "the program of the gateways")
	wipe := fs.Bool("wipe", false, "down: delete the data too")
	if err := fs.Parse(args); err != nil {
		return err
	}
	switch fs.Arg(0) {
	case "up":
		opt := native.Default(*dir, *binary)
		opt.Subnet, opt.Cassandra, opt.Gateways = *subnet, make([]native.Node, *nodes), *gateways
		opt.GatewayArgs, opt.Log = fs.Args()[1:], slog.New(slog.NewTextHandler(os.Stderr, nil))
		if *versity {
			opt.S3 = native.Versity
		}
		c, err := native.Up(ctx, opt)
		if err != nil {
			return err
		}
		return describe(out, c, opt)
	case "down":
		if err := native.Down(ctx, *dir); err != nil {
			return err
		}
		if *wipe {
			return native.Remove(*dir)
		}
		return nil
	case "status":
		list, err := native.Running(*dir)
		for _, p := range list {
			fmt.Fprintf(out, "%-12s pid %d\n", p.Name, p.Pid)
		}
		return err
	}
	fs.Usage()
	return errors.New("cluster: say up, down or status")
}

// describe prints where everything is, the balancer first.
func describe(out io.Writer, c *native.Cluster, opt native.Options) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s   the balancer: clients connect here; API reference at /docs\n\n", c.URL())
	fmt.Fprintf(&b, "  %-12s http://%s/\n", "haproxy page", c.BalancerPage())
	for _, name := range c.Members() {
		if strings.HasPrefix(name, "gateway-") {
			fmt.Fprintf(&b, "  %-12s http://%s   admin http://%s/metrics\n", name, c.Addr(name), c.Admin(name))
		}
	}
	fmt.Fprintf(&b, "  %-12s %s\n", "cassandra", strings.Join(c.CQL(), " "))
	fmt.Fprintf(&b, "  %-12s %s\n", "redis", strings.Join(c.Redis(), " "))
	fmt.Fprintf(&b, "  %-12s %s   key %s, secret %s, bucket %s\n\n", "s3", c.S3(), native.S3AccessKey, native.S3SecretKey, native.Bucket)
	host, _, _ := strings.Cut(c.CQL()[0], ":")
	fmt.Fprintf(&b, "  %s %s -k %s\n", cqlsh(), host, native.Keyspace)
	fmt.Fprintf(&b, "  redis-cli -c -h %s\n", strings.Split(c.Redis()[0], ":")[0])
	fmt.Fprintf(&b, "  %s doctor %s\n", opt.Binary, strings.Join(quoted(c.ServerArgs()), " "))
	fmt.Fprintf(&b, "  logs: %s/log      end: make cluster-down\n", opt.Dir)
	_, err := io.WriteString(out, b.String())
	return err
}

// cqlsh is the shell's name, and where to get it when it isn't there.
func cqlsh() string {
	if _, err := exec.LookPath("cqlsh"); err == nil {
		return "cqlsh"
	}
	return "pipx run --spec scylla-cqlsh cqlsh"
}

// quoted are arguments as a shell takes them.
func quoted(args []string) (out []string) {
	for _, a := range args {
		if strings.ContainsAny(a, "?&") {
			a = "'" + a + "'"
		}
		out = append(out, a)
	}
	return out
}
