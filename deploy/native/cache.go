package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Versions of what is fetched. The rest (redis-server, haproxy, Java 17, Maven) comes with the system.
const (
	CassandraVersion = "5.0.6"
	MinIOVersion     = "v0.0.0-20260212201848-7aac2a2c5b7c" // the last of the open repository; it has no usable release tags
	VersityVersion   = "v1.8.0"
)

// Cache is the folder for what is fetched once: $XDG_CACHE_HOME/murre, else ~/.cache/murre.
func Cache() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cache folder: %w", err)
	}
	return filepath.Join(base, "murre"), nil
}

// Lock takes a file lock, waiting for other processes, and returns what gives it back. The system gives it back too when
// the process ends.
func Lock(file string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", file, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// once runs fetch into a folder of the cache unless an earlier run finished; other processes wait for it.
func once(name string, fetch func(dir string) error) (dir string, err error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(cache, name)
	done := filepath.Join(dir, "complete")
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	unlock, err := Lock(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	if err := fetch(dir); err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	return dir, os.WriteFile(done, nil, 0o644)
}

// program fetches a Go program into the cache and returns its path.
func program(ctx context.Context, pkg, version string) (string, error) {
	name := filepath.Base(pkg)
	dir, err := once(name+"-"+version, func(dir string) error {
		cmd := exec.CommandContext(ctx, "go", "install", pkg+"@"+version)
		cmd.Dir = dir // outside of our module: our go.mod must not judge it
		cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-buildvcs=false")
		return output(cmd)
	})
	return filepath.Join(dir, name), err
}

// cassandraJars fetches the server's jars with Maven and returns their folder.
func cassandraJars(ctx context.Context) (string, error) {
	return once("cassandra-"+CassandraVersion, func(dir string) error {
		pom := filepath.Join(dir, "pom.xml")
		err := os.WriteFile(pom, []byte(`<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>dev</groupId><artifactId>dev</artifactId><version>1</version><dependencies><dependency>
<groupId>org.apache.cassandra</groupId><artifactId>cassandra-all</artifactId><version>`+CassandraVersion+`</version>
</dependency></dependencies></project>
`), 0o644)
		if err != nil {
			return err
		}
		return output(exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory="+dir))
	})
}

// Fetch fetches what a cluster needs and isn't there yet, Cassandra and the S3 server, so that Up needs no network.
func Fetch(ctx context.Context, s3 S3) error {
	if _, err := cassandraJars(ctx); err != nil {
		return err
	}
	_, err := s3.fetch(ctx)
	return err
}

// Tool finds a program of the system, also where an ordinary user's PATH doesn't look.
func Tool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}

// output runs a command and puts what it printed into the error.
func output(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}
