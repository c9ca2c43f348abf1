package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/murre-chat/murre/cql"
	"github.com/murre-chat/murre/pkg/config"
	"github.com/murre-chat/murre/pkg/doctor"
	"github.com/murre-chat/murre/pkg/media/s3media"
	"github.com/murre-chat/murre/pkg/rediscluster"
	"github.com/murre-chat/murre/pkg/store/cqlstore"
)

// doctorLimit bounds the whole examination.
const doctorLimit = time.Minute

func newDoctor() *cobra.Command {
	cfg := config.Default()
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine this machine and the servers, and say what to change",
		Long: `Examines what a server with these options would stand on: this machine's limits and kernel settings, the data folder or, with
a cluster, every CQL server, every Redis node and S3. Each finding is ok, info, warn or fail; below it stands what to change.
It takes the options of murre serve. It changes nothing, but for one object that it puts into the bucket and deletes.

Exit code 1 when something failed.`,
		Example: `  murre doctor
  murre doctor --config /etc/murre.yaml
  murre doctor --store cql://10.0.0.1,10.0.0.2/murre?dc=dc1 --redis redis://10.0.0.4:6379 --s3 http://key:secret@10.0.0.7:9000/media
  murre doctor --json | jq '.findings[] | select(.verdict == "fail")'`,
		Args: args(cobra.NoArgs),
	}
	cfg.Flags(cmd.Flags())
	asJSON := cmd.Flags().Bool("json", false, "print the findings as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cfg.Load(cmd.Flags(), os.Environ()); err != nil {
			return usageError{err}
		}
		o, err := doctorOptions(cfg)
		if err != nil {
			return usageError{err}
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), doctorLimit)
		defer cancel()
		report := doctor.Examine(ctx, o)
		show := report.Print
		if *asJSON {
			show = report.PrintJSON
		}
		if err := show(cmd.OutOrStdout()); err != nil {
			return fmt.Errorf("print the report: %w", err)
		}
		if n := report.Count(doctor.Fail); n > 0 {
			return fmt.Errorf("%d of %d checks failed", n, len(report.Findings))
		}
		return nil
	}
	return cmd
}

// doctorOptions are what a server with these options would use.
func doctorOptions(cfg *config.Config) (doctor.Options, error) {
	o := doctor.Options{
		Listen: cfg.Listen, MaxConnections: cfg.MaxConnections, Data: cfg.Data, TLSCert: cfg.TLSCert, TLSKey: cfg.TLSKey,
		Origins: cfg.AllowedOrigins, Name: cfg.Name,
	}
	if cfg.Store == "embedded" {
		return o, nil
	}
	o.Data = ""
	schema, err := latestMigration()
	if err != nil {
		return o, err
	}
	c, err := cqlstore.Parse(cfg.Store)
	if err != nil {
		return o, fmt.Errorf("--store: %w", err)
	}
	o.CQL = &doctor.CQL{Hosts: c.Hosts, Keyspace: c.Keyspace, DC: c.DC, Username: c.Username, Password: c.Password, TLS: c.TLS, Schema: schema}
	r, err := rediscluster.Parse(cfg.Redis)
	if err != nil {
		return o, fmt.Errorf("--redis: %w", err)
	}
	o.Redis = &doctor.Redis{Addrs: r.Addrs, Username: r.Username, Password: r.Password, TLS: r.TLS}
	s, err := s3media.Parse(cfg.S3)
	if err != nil {
		return o, err
	}
	o.S3 = &doctor.S3{
		Endpoint: s.Endpoint, Secure: s.Secure, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Bucket: s.Bucket, Region: s.Region,
		Public: s.Public, Direct: !s.ViaGateway,
	}
	return o, nil
}

// latestMigration is the version of the schema that this program needs: the highest number of a file.
func latestMigration() (int, error) {
	files, err := fs.Glob(cql.Migrations, "migrations/*.cql")
	if err != nil || len(files) == 0 {
		return 0, errors.Join(errors.New("this program was built without migrations"), err)
	}
	last := 0
	for _, f := range files {
		number, _, _ := strings.Cut(strings.TrimPrefix(f, "migrations/"), "_")
		n, err := strconv.Atoi(number)
		if err != nil {
			return 0, fmt.Errorf("migration %s: %w", f, err)
		}
		last = max(last, n)
	}
	return last, nil
}
