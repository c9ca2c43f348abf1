package archtest

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// ports are the packages that declare what engines do; they may speak of the domain and of each other only.
var ports = []string{"pkg/store", "pkg/session", "pkg/bus", "pkg/admit", "pkg/presence", "pkg/media", "pkg/transfer"}

// layer says what a folder of ours may import from our own folders (itself and what lies below it are always allowed).
type layer struct {
	folder string
	may    []string
	why    string
}

// layers: the most specific folder counts. Order of reading: chat ← ports ← adapters; chat, ports ← service ← gateway,
// httpapi ← app ← cmd.
var layers = []layer{
	{"pkg/chat/id", nil, "ids stand below everything"},
	{"pkg/chat", []string{"pkg/chat/id"}, "the domain imports nothing of ours, so that every layer can speak it"},
	{"pkg/protocol", []string{"pkg/chat"}, "the codec knows the domain, not who uses it: it is shared by server, client and harness"},

	{"pkg/store", join(ports, "pkg/chat"), "a port knows the domain and other ports, never an engine or a use case"},
	{"pkg/session", join(ports, "pkg/chat"), "a port knows the domain and other ports, never an engine or a use case"},
	{"pkg/bus", join(ports, "pkg/chat"), "a port knows the domain and other ports, never an engine or a use case"},
	{"pkg/admit", join(ports, "pkg/chat"), "a port knows the domain and other ports, never an engine or a use case"},
	{"pkg/presence", join(ports, "pkg/chat"), "a port knows the domain and other ports, never an engine or a use case"},
	{"pkg/media", join(ports, "pkg/chat"), "a port knows the domain and other ports, never an engine or a use case"},

	{"cql", nil, "the schema is text, embedded"},
	{"pkg/store/cqlstore", join(ports, "pkg/chat", "pkg/breaker", "cql"), "the engine knows its port, the schema that it stands on, and the house's circuit breaker"},
	{"pkg/media/s3media", join(ports, "pkg/chat", "pkg/breaker"), "an engine knows its port and the house's circuit breaker"},
	{"pkg/overload", []string{"pkg/chat"}, "what is refused under load knows the error it makes, not what it guards"},
	{"pkg/breaker", nil, "a circuit breaker knows no peer"},
	{"pkg/rediscluster", []string{"pkg/breaker"}, "the connection to Redis knows addresses and slots, not what is kept there"},
	{"pkg/session/redissession", join(ports, "pkg/chat", "pkg/rediscluster"), "an engine knows its port and its server's connection"},
	{"pkg/bus/redisbus", join(ports, "pkg/chat", "pkg/rediscluster"), "an engine knows its port and its server's connection"},
	{"pkg/admit/redisadmit", join(ports, "pkg/chat", "pkg/rediscluster"), "an engine knows its port and its server's connection"},
	{"pkg/presence/redispresence", join(ports, "pkg/chat", "pkg/rediscluster"), "an engine knows its port and its server's connection"},

	{"pkg/transfer", join(ports, "pkg/chat"), "a move knows what rows are, never the engines it goes between"},

	{"pkg/router", join(ports, "pkg/chat"), "routing groups recipients by gateway; it knows neither use cases nor sockets"},
	{"pkg/lease", join(ports, "pkg/chat"), "a node slot is held through the store's port, whatever the engine"},
	{"pkg/service", join(ports, "pkg/chat", "pkg/overload"), "use cases never see a socket, a frame or a driver: they work on any engine behind any gateway"},
	{"pkg/auth", join(ports, "pkg/chat"), "sign-in stands beside the use cases, below gateway and REST"},
	{"pkg/inbox", join(ports, "pkg/chat", "pkg/service", "pkg/overload"), "the pending log reads what the use cases wrote; it knows no socket"},

	{"pkg/gateway/netpoll", nil, "event loops know descriptors only"},
	{"pkg/gateway/wsconn", []string{"pkg/gateway/netpoll", "pkg/chat"}, "the WebSocket server knows bytes and frames, not chat"},
	{"pkg/gateway/echoserver", []string{"pkg/gateway"}, "the echo build shows the gateway's sockets alone"},
	{"pkg/gateway", join(ports, "pkg/chat", "pkg/protocol", "pkg/service", "pkg/inbox", "pkg/router", "pkg/auth", "pkg/overload"), "the gateway stands on the use cases, beside REST; engines are app's choice"},
	{"pkg/httpapi", join(ports, "pkg/chat", "pkg/protocol", "pkg/service", "pkg/auth", "pkg/inbox"), "REST stands on the use cases, beside the gateway; engines are app's choice"},

	{"pkg/webui", nil, "the web client's files are the same for everyone: what serves them knows no chat"},
	{"pkg/client", []string{"pkg/chat", "pkg/protocol"}, "the public client shares the protocol with the server and nothing else"},
	{"pkg/check", []string{"pkg/chat"}, "the checker judges histories; sharing code with the server would share its mistakes"},
	{"pkg/config", []string{"pkg/chat", "pkg/admit"}, "options are plain values; app turns them into parts"},
	{"pkg/observe", []string{"pkg/chat"}, "metrics know names and numbers; app connects them to what they measure"},
	{"pkg/operate", join(ports, "pkg/chat"), "operators work on the ports; pkg/app picks the engines"},
	{"deploy", nil, "what starts servers knows their addresses and arguments only; tests and the harness import it, the program never does"},
	{"pkg/doctor", nil, "the doctor looks at servers and machines, not at messages"},
	{"pkg/archtest", nil, "the rules judge everything and use nothing"},
}

// free are the folders that may import anything of ours: the wiring and the programs.
var free = []string{"pkg/app", "cmd", "loadtest", "test"}

// nobody imports these: they are the top.
var tops = []string{"pkg/app", "cmd", "pkg/archtest", "pkg/config"}

func join(a []string, b ...string) []string { return append(slices.Clone(a), b...) }

// engines are adapters: only the wiring may name them, and tests.
var engines = []string{
	"pkg/store/pebblestore", "pkg/store/cqlstore", "pkg/session/localsession", "pkg/session/redissession",
	"pkg/bus/localbus", "pkg/bus/redisbus", "pkg/bus/faultbus", "pkg/admit/localadmit", "pkg/admit/redisadmit", "pkg/media/diskmedia", "pkg/media/s3media",
	"pkg/presence/localpresence", "pkg/presence/redispresence",
}

// suites are code for tests that is not in _test.go files.
var suites = []string{
	"pkg/store/storetest", "pkg/store/faultstore", "pkg/session/sessiontest", "pkg/bus/bustest",
	"pkg/admit/admittest", "pkg/media/mediatest", "pkg/presence/presencetest",
}

func TestImportsPointOneWay(t *testing.T) {
	for _, f := range source(t) {
		if f.test || underAny(f.dir, suites) {
			continue // tests assemble what they need
		}
		l, known := layerOf(f.dir)
		if !known && !underAny(f.dir, free) {
			t.Errorf("%s: the folder %s is in no layer; add it to layers in pkg/archtest/rules_test.go with what it may import and why", f.path, f.dir)
			continue
		}
		for _, imp := range f.imports {
			dir, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			if underAny(dir, suites) && !underAny(f.dir, []string{"test"}) {
				t.Errorf("%s imports %s: a test suite has no place in the program", f.path, dir)
			}
			if underAny(f.dir, free) {
				continue
			}
			if underAny(dir, tops) {
				t.Errorf("%s imports %s: nothing imports the top; pass in what is needed", f.path, dir)
				continue
			}
			if underAny(dir, engines) && !under(f.dir, dir) && !sameEngine(f.dir, dir) {
				t.Errorf("%s imports the engine %s: only pkg/app picks engines, everything else uses the port", f.path, dir)
				continue
			}
			if !under(dir, l.folder) && !underAny(dir, l.may) {
				t.Errorf("%s imports %s: %s", f.path, dir, l.why)
			}
		}
	}
}

// sameEngine: parts of one engine may use each other.
func sameEngine(a, b string) bool {
	for _, e := range engines {
		if under(a, e) && under(b, e) {
			return true
		}
	}
	return false
}

func layerOf(dir string) (best layer, known bool) {
	for _, l := range layers {
		if under(dir, l.folder) && len(l.folder) > len(best.folder) {
			best, known = l, true
		}
	}
	return best, known
}

// testTools are what any test may use: the file system in memory on which it runs the real embedded store, and what
// signs tokens as an identity provider does.
var testTools = []string{"github.com/cockroachdb/pebble/v2/vfs", "github.com/golang-jwt/jwt"}

// confined libraries appear in the folders named only; tests are held to it too, so that a library can be exchanged.
var confined = []struct {
	library string
	folders []string
	why     string
}{
	{"github.com/cockroachdb/pebble", []string{"pkg/store/pebblestore", "loadtest"}, "a driver appears only in its adapter"},
	{"github.com/gocql", []string{"pkg/store/cqlstore", "loadtest", "pkg/doctor"}, "a driver appears only in its adapter"},
	{"github.com/scylladb", []string{"pkg/store/cqlstore", "loadtest"}, "a driver appears only in its adapter"},
	{"github.com/redis/go-redis", []string{"pkg/rediscluster", "pkg/session/redissession", "pkg/bus/redisbus", "pkg/admit/redisadmit", "pkg/presence/redispresence", "pkg/doctor"}, "a driver appears only in its adapter"},
	{"github.com/minio/minio-go", []string{"pkg/media/s3media", "pkg/doctor", "loadtest"}, "a driver appears only in its adapter; the doctor looks at servers as no adapter does"},
	{"github.com/sony/gobreaker", []string{"pkg/breaker"}, "adapters share one breaker, with the house's thresholds"},
	{"github.com/gobwas/ws", []string{"pkg/gateway", "pkg/client", "loadtest"}, "sockets belong to the gateway; the client and the harness are their other end"},
	{"github.com/danielgtaylor/huma", []string{"pkg/httpapi"}, "REST is described in one place"},
	{"github.com/spf13/cobra", []string{"cmd"}, "only programs have a command line"},
	{"github.com/spf13/pflag", []string{"cmd", "pkg/config"}, "only programs have a command line"},
	{"github.com/knadh/koanf", []string{"pkg/config"}, "options are read in one place"},
	{"github.com/prometheus/client_golang", []string{"pkg/observe"}, "parts count in plain numbers; observe turns them into metrics"},
	{"github.com/golang-jwt/jwt", []string{"pkg/auth", "loadtest"}, "tokens are judged in one place"},
	{"golang.org/x/crypto", []string{"pkg/auth"}, "passwords are hashed in one place"},
	{"golang.org/x/image", []string{"pkg/media"}, "pictures are decoded in one place, behind its limits"},
	{"golang.org/x/term", []string{"cmd"}, "only programs have a terminal"},
}

func TestLibrariesStayInTheirPlace(t *testing.T) {
	for _, f := range source(t) {
		for _, imp := range f.imports {
			if f.test && underAny(imp, testTools) {
				continue
			}
			for _, c := range confined {
				if under(imp, c.library) && !underAny(f.dir, c.folders) && !(f.test && underAny(f.dir, free)) {
					t.Errorf("%s imports %s, which belongs to %s: %s", f.path, imp, strings.Join(c.folders, ", "), c.why)
				}
			}
		}
	}
}

// banned imports: folder, library, why.
var banned = []struct {
	folders []string
	library string
	why     string
}{
	{[]string{"pkg/service", "pkg/chat", "pkg/inbox", "pkg/router"}, "net/http", "use cases never see a request"},
	{[]string{"pkg/service", "pkg/chat", "pkg/inbox", "pkg/router"}, "net", "use cases never see a socket (net/netip is fine)"},
	{[]string{"pkg/gateway/wsconn", "pkg/gateway"}, "github.com/gobwas/ws/wsutil", "its whole-frame readers allocate what a peer declares"},
	{[]string{"pkg", "cmd", "loadtest"}, "log", "log/slog, injected"},
	{[]string{"pkg", "cmd", "loadtest"}, "github.com/pkg/errors", "fmt.Errorf with %w"},
	{[]string{"pkg", "cmd", "loadtest"}, "io/ioutil", "deprecated"},
	{[]string{"pkg", "cmd", "loadtest"}, "math/rand", "math/rand/v2, or crypto/rand where a guess matters"},
}

func TestBannedImports(t *testing.T) {
	for _, f := range source(t) {
		if f.test {
			continue
		}
		for _, imp := range f.imports {
			for _, b := range banned {
				if imp == b.library && underAny(f.dir, b.folders) {
					t.Errorf("%s imports %s: %s", f.path, imp, b.why)
				}
			}
		}
	}
}

// Lines a file may have. The house asks for about 500; the margin is for the file whose split would be worse.
const (
	maxLines     = 600
	maxTestLines = 900
)

func TestFilesStaySmall(t *testing.T) {
	for _, f := range source(t) {
		limit := maxLines
		if f.test || underAny(f.dir, suites) {
			limit = maxTestLines
		}
		if f.lines > limit {
			t.Errorf("%s has %d lines (limit %d): split it by job", f.path, f.lines, limit)
		}
	}
}

func TestInterfacesStaySmall(t *testing.T) {
	// An unexported one is a seam inside its package, with both sides in view.
	const exported, unexported = 8, 10
	for _, f := range source(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			limit := unexported
			if spec.Name.IsExported() {
				limit = exported
			}
			if i, ok := spec.Type.(*ast.InterfaceType); ok && i.Methods.NumFields() > limit {
				t.Errorf("%s: interface %s has %d methods (limit %d): split it by job", f.path, spec.Name.Name, i.Methods.NumFields(), limit)
			}
			return true
		})
	}
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	documented := map[string]bool{}
	sample := map[string]string{}
	for _, f := range source(t) {
		if f.test {
			continue
		}
		sample[f.dir] = f.path
		if f.ast.Doc != nil && strings.TrimSpace(f.ast.Doc.Text()) != "" {
			documented[f.dir] = true
		}
	}
	for dir, p := range sample {
		if !documented[dir] {
			t.Errorf("%s: package without a package comment (doc.go: its job, what it isn't, where to start)", p)
		}
	}
}

func TestPackageNames(t *testing.T) {
	vague := []string{"util", "utils", "common", "manager", "helper", "helpers", "base", "misc", "shared"}
	taken := []string{"http", "net", "log", "errors", "time", "sync", "context", "redis", "pebble", "gocql", "websocket", "ws"}
	for _, f := range source(t) {
		if name := path.Base(f.dir); slices.Contains(vague, name) || slices.Contains(vague, f.ast.Name.Name) {
			t.Errorf("%s: %q says nothing about the package's job", f.path, name)
		} else if slices.Contains(taken, name) {
			t.Errorf("%s: %q shadows the standard library or a driver", f.path, name)
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, f := range source(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init runs before main can decide anything; construct explicitly", f.path)
			}
		}
	}
}

func TestOnlyMainExits(t *testing.T) {
	for _, f := range source(t) {
		if f.ast.Name.Name == "main" || f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "os" && sel.Sel.Name == "Exit" {
				t.Errorf("%s: only main exits; return an error", f.path)
			}
			return true
		})
	}
}
