package deploy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var metric = regexp.MustCompile(`\bmurre_[a-z_]+`)

// exported are the names of metrics that the program registers.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	files, err := filepath.Glob("../pkg/app/metrics*.go")
	require.NoError(t, err)
	registered := regexp.MustCompile(`\.(Gauge|Counter|Histogram|Labelled)\((?:observe\.\w+, )?"([a-z_]+)"`)
	for _, f := range files {
		for _, m := range registered.FindAllStringSubmatch(read(t, f), -1) {
			names["murre_"+m[2]] = true
			if m[1] == "Histogram" {
				for _, part := range []string{"_bucket", "_sum", "_count"} {
					names["murre_"+m[2]+part] = true
				}
			}
		}
	}
	require.Greater(t, len(names), 50)
	return names
}

func TestDashboardsShowWhatIsMeasured(t *testing.T) {
	have := exported(t)
	files, err := filepath.Glob("grafana/dashboards/*.json")
	require.NoError(t, err)
	require.Len(t, files, 4)
	uids := map[string]bool{}
	for _, f := range files {
		var d struct {
			UID, Title string
			Panels     []struct {
				Title   string
				GridPos struct{ X, Y, W, H int }
				Targets []struct{ Expr string }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(read(t, f)), &d), f)
		require.NotEmpty(t, d.Title)
		require.False(t, uids[d.UID], f)
		uids[d.UID] = true
		require.GreaterOrEqual(t, len(d.Panels), 8, f)
		for _, p := range d.Panels {
			require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
			require.NotEmpty(t, p.Targets, p.Title)
			for _, target := range p.Targets {
				checkExpr(t, have, f+": "+p.Title, target.Expr)
			}
		}
	}
	var source struct {
		Datasources []struct{ UID string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "grafana/provisioning/datasources/prometheus.yml")), &source))
	require.Contains(t, read(t, "grafana/dashboards/gateways.json"), source.Datasources[0].UID)
}

func TestAlertsAskForWhatIsMeasured(t *testing.T) {
	have := exported(t)
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "prometheus/rules.yml")), &rules))
	n := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			n++
			checkExpr(t, have, r.Alert, r.Expr)
			require.NotEmpty(t, r.For, r.Alert)
			require.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			require.NotEmpty(t, r.Annotations["description"], r.Alert)
		}
	}
	require.GreaterOrEqual(t, n, 10)
}

func checkExpr(t *testing.T, have map[string]bool, where, expr string) {
	t.Helper()
	require.NotEmpty(t, expr, where)
	for _, name := range metric.FindAllString(expr, -1) {
		require.True(t, have[name], "%s asks for %s, which nobody exports", where, name)
	}
	for _, pair := range []string{"()", "[]", "{}"} {
		require.Equal(t, strings.Count(expr, pair[:1]), strings.Count(expr, pair[1:]), "%s: %s", where, expr)
	}
}

// Every kernel setting has the reason above it, and a value.
func TestKernelSettingsHaveReasons(t *testing.T) {
	setting := regexp.MustCompile(`^-?[a-z0-9_.-]+ = [0-9, ]+$`)
	commented, n := false, 0
	for line := range strings.Lines(read(t, "sysctl/99-murre.conf")) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			commented = false
		case strings.HasPrefix(line, "#"):
			commented = true
		default:
			require.Regexp(t, setting, line)
			require.True(t, commented, "no reason above %q", line)
			n++
		}
	}
	require.Greater(t, n, 15)
}

// certificate writes one that signs itself: nginx wants to read it.
func certificate(t *testing.T, cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"chat.example.org"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}
