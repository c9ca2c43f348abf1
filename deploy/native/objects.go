package native

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// S3 is an object server.
type S3 int

// Object servers.
const (
	NoS3 S3 = iota
	MinIO
	Versity
)

// The key of the object server of every native cluster. It opens nothing outside of this machine.
const (
	S3AccessKey = "murre"
	S3SecretKey = "murre-secret"
	S3Port      = 9000
)

// fetch fetches the server's program unless it is there, and returns its path; "" without a server.
func (s S3) fetch(ctx context.Context) (string, error) {
	switch s {
	case NoS3:
		return "", nil
	case MinIO:
		return program(ctx, "github.com/minio/minio", MinIOVersion)
	case Versity:
		return program(ctx, "github.com/versity/versitygw/cmd/versitygw", VersityVersion)
	}
	return "", fmt.Errorf("no such object server: %d", s)
}

// objectServer is MinIO or versitygw over a folder.
func objectServer(ctx context.Context, dir, name, ip string, kind S3) (*process, error) {
	home := filepath.Join(dir, "data", name)
	if err := os.MkdirAll(filepath.Join(home, "iam"), 0o755); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	store := filepath.Join(home, "store")
	if err := os.MkdirAll(store, 0o755); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	addr := fmt.Sprintf("%s:%d", ip, S3Port)
	bin, err := kind.fetch(ctx)
	if err != nil {
		return nil, err
	}
	p := &process{name: name, dir: dir, cwd: home, wait: 30 * time.Second}
	switch kind {
	case MinIO:
		p.argv = []string{bin, "server", "--address", addr, "--quiet", store}
		p.env = []string{"MINIO_ROOT_USER=" + S3AccessKey, "MINIO_ROOT_PASSWORD=" + S3SecretKey, "MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CI_CD=1"}
		p.ready = httpProbe("http://" + addr + "/minio/health/ready")
	case Versity:
		p.argv = []string{bin, "--port", addr, "--access", S3AccessKey, "--secret", S3SecretKey, "--health", "/health", "--quiet", "posix", store}
		p.ready = httpProbe("http://" + addr + "/health")
	default:
		return nil, fmt.Errorf("%s: no such object server: %d", name, kind)
	}
	return p, nil
}
