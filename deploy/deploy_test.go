package deploy

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/deploy/native"
)

// jobs are compose's jobs that end, and why native has no process of that name.
var jobs = map[string]string{
	"redis-init": "native.Up joins the nodes itself",
	"s3-init":    "native.Up makes the folder that is the bucket",
}

// composeOnly are services that native doesn't start.
var composeOnly = []string{"prometheus", "grafana"}

// load reads docker-compose.yml as `docker compose --profile …` does.
func load(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	opt, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithWorkingDirectory(".."), cli.WithEnvFiles("../.env"), cli.WithDotEnv, cli.WithDefaultProfiles(profiles...))
	require.NoError(t, err)
	p, err := opt.LoadProject(t.Context())
	require.NoError(t, err)
	return p
}

// role is what a service of compose is in a native cluster.
func role(service string) string {
	if service == "scylla" || service == "cassandra" {
		return "store"
	}
	name, _, _ := strings.Cut(service, "-") // redis-1
	return name
}

// roles counts compose's services as native counts its own.
func roles(p *types.Project) map[string]int {
	count := map[string]int{}
	for name := range p.Services {
		if jobs[name] == "" && !slices.Contains(composeOnly, name) {
			count[role(name)]++
		}
	}
	return count
}

func TestComposeIsTheNativeCluster(t *testing.T) {
	want := native.Default("", "").Roles()
	require.Equal(t, map[string]int{"store": 1, "redis": 6, "s3": 1, "gateway": 3, "haproxy": 1, "migrate": 1}, want)
	for _, store := range []string{"scylla", "cassandra"} {
		t.Run(store, func(t *testing.T) {
			p := load(t, store)
			require.Equal(t, want, roles(p))
			require.Contains(t, p.Services, store)
			for _, s := range append(slices.Clone(composeOnly), slices.Collect(maps.Keys(jobs))...) {
				require.Contains(t, p.Services, s)
			}
			require.Contains(t, p.Services[store].Networks["murre"].Aliases, "store")
		})
	}
	t.Run("by default", func(t *testing.T) {
		p := load(t)
		require.Contains(t, p.Services, "scylla")
		require.NotContains(t, p.Services, "cassandra")
	})
	t.Run("with every profile", func(t *testing.T) {
		p := load(t, "*")
		require.Contains(t, p.Services, "scylla")
		require.Contains(t, p.Services, "cassandra")
	})
}

func TestServicesAreOperable(t *testing.T) {
	p := load(t, "*")
	pinned := regexp.MustCompile(`^[a-z0-9/.-]+:(v?\d+\.\d+|RELEASE\.\d{4}-)`)
	for name, s := range p.Services {
		require.NotEmpty(t, s.Restart, "%s: what happens when it ends?", name)
		if s.Build == nil {
			require.Regexp(t, pinned, s.Image, "%s: pin the version", name)
		}
		if jobs[name] != "" || name == "migrate" {
			require.Contains(t, s.Restart, "on-failure", name)
			continue
		}
		require.NotNil(t, s.HealthCheck, "%s: how is it known to be well?", name)
		require.NotEmpty(t, s.HealthCheck.Test, name)
		if name != "haproxy" {
			require.True(t, slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Type == "volume" }), "%s: its data is in no volume", name)
		}
		for _, port := range s.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s: nothing listens to others unless .env says so", name)
		}
	}
	for i := range 3 {
		g := p.Services[fmt.Sprintf("gateway-%d", i+1)]
		require.Equal(t, 1048576, g.Ulimits["nofile"].Soft)
		require.NotEmpty(t, g.Sysctls)
		require.Contains(t, *g.Environment["MURRE_TRUSTED_PROXIES"], p.Services["haproxy"].Networks["murre"].Ipv4Address)
	}
	for v := range p.Volumes {
		used := false
		for _, s := range p.Services {
			used = used || slices.ContainsFunc(s.Volumes, func(m types.ServiceVolumeConfig) bool { return m.Source == v })
		}
		require.True(t, used, "nobody uses the volume %s", v)
	}
}

// Every option that compose and the image set is one that murre has.
func TestOptionsExist(t *testing.T) {
	p := load(t, "*")
	help, err := exec.CommandContext(t.Context(), "go", "run", "../cmd/murre", "serve", "--help").CombinedOutput()
	require.NoError(t, err, string(help))
	known := func(option string) {
		t.Helper()
		require.Regexp(t, `(?m)^\s+--`+option+`\b`, string(help))
	}
	set := map[string]bool{}
	for name := range p.Services["gateway-1"].Environment {
		if option, ok := strings.CutPrefix(name, "MURRE_"); ok {
			set[option] = true
		}
	}
	for _, m := range regexp.MustCompile(`MURRE_([A-Z_]+)=`).FindAllStringSubmatch(read(t, "../Dockerfile"), -1) {
		set[m[1]] = true
	}
	require.GreaterOrEqual(t, len(set), 9)
	for option := range set {
		known(strings.ToLower(strings.ReplaceAll(option, "_", "-")))
	}
}

// The table of README.md names every service, and its counts are true.
func TestTheTableIsTrue(t *testing.T) {
	p := load(t, "*")
	want := native.Default("", "").Roles()
	named := map[string]bool{}
	services := regexp.MustCompile("`([a-z0-9-]+)`")
	for line := range strings.Lines(read(t, "README.md")) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || strings.HasPrefix(cells[1], "-") || strings.TrimSpace(cells[2]) == "compose services" {
			continue
		}
		var row []string
		for _, m := range services.FindAllStringSubmatch(cells[2], -1) {
			require.Contains(t, p.Services, m[1], "the table names a service that compose doesn't have")
			named[m[1]] = true
			row = append(row, m[1])
		}
		require.NotEmpty(t, row, line)
		if count := strings.TrimSpace(cells[4]); count != "–" {
			require.Equal(t, count, fmt.Sprint(want[role(row[0])]), line)
		}
	}
	for name := range p.Services {
		require.True(t, named[name], "the table leaves out %s", name)
	}
}

func TestBalancersAcceptTheirConfigurations(t *testing.T) {
	t.Run("haproxy", func(t *testing.T) {
		// -c resolves names and takes no harm from those that aren't there, as the containers' aren't here.
		out, err := exec.CommandContext(t.Context(), tool(t, "haproxy"), "-c", "-f", "haproxy/haproxy.cfg").CombinedOutput()
		require.NoError(t, err, string(out))
	})
	t.Run("nginx", func(t *testing.T) {
		dir := t.TempDir()
		certificate(t, filepath.Join(dir, "murre.crt"), filepath.Join(dir, "murre.key"))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(read(t, "nginx/nginx.conf")), 0o644))
		out, err := exec.CommandContext(t.Context(), tool(t, "nginx"), "-t", "-q", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-g", "error_log stderr; pid "+dir+"/pid;").CombinedOutput()
		require.NoError(t, err, string(out))
	})
}

// tool finds a program that stands where not everybody's PATH looks.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := native.Tool(name)
	require.NoError(t, err)
	return path
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

// The same version of a thing wherever it is named.
func TestVersionsAgree(t *testing.T) {
	p := load(t, "*")
	require.Equal(t, "cassandra:"+native.CassandraVersion, p.Services["cassandra"].Image)
	require.Contains(t, read(t, "README.md"), "Cassandra "+native.CassandraVersion)
	goVersion := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "../go.mod"))
	require.NotNil(t, goVersion)
	require.Contains(t, read(t, "../Dockerfile"), "FROM golang:"+goVersion[1]+"-")
}
