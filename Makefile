# Everything a developer runs. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

GO          ?= go
BIN         := bin
VERSION     := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# What the race detector passes over in `make test`; `make verify` passes it over everything.
RACE        ?= ./pkg/admit/... ./pkg/app/... ./pkg/auth/... ./pkg/breaker/... ./pkg/bus/... ./pkg/chat/... ./pkg/client/... \
               ./pkg/gateway/... ./pkg/inbox/... ./pkg/lease/... ./pkg/presence/... ./pkg/rediscluster/... ./pkg/router/... \
               ./pkg/service/... ./pkg/session/...
FUZZTIME    ?= 3000x
ROUNDS      ?= 3
AUTOBAHN    ?= 1.* 2.* 3.* 4.* 5.* 6.1.* 6.2.* 6.3.* 7.*
DATA        ?= murre-data
CASSANDRA   ?= 1
# How many test binaries run at once. Conformance suites mostly wait for servers, so it needn't be the number of cores.
PARALLEL    ?= 2
# Named first, so that they begin first: the whole takes as long as the last to end.
LONGEST     := ./pkg/store/cqlstore ./pkg/rediscluster ./pkg/gateway ./pkg/inbox ./loadtest ./cmd/murre
CLUSTER     := $(GO) run ./deploy/native/cmd/cluster
SERVERS     := $(GO) run ./deploy/native/cmd/servers

export GOFLAGS := -buildvcs=false $(GOFLAGS)

.PHONY: help build web run test check bench verify cluster cluster-down faults servers-up servers-down screenshots \
        fmt lint unit race e2e e2e-cluster web-test web-test-cluster cqlgrammar fuzz clients crash faults-short smoke load-smoke \
        capacity million storm soak autobahn clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

build: web ## bin/murre with the web client in it, where there is Node, and bin/murre-load
	@mkdir -p $(BIN)
	$(GO) build -trimpath -ldflags '-X main.built=$(VERSION)' -o $(BIN)/ ./cmd/...

web: # only when its sources changed; without Node it says so, and murre shows a page about terminals instead
	@web/scripts/web-build.sh

run: build ## serve on 127.0.0.1:8080 with two demo logins and /demo, data in ./murre-data
	@exec $(BIN)/murre serve --listen 127.0.0.1:8080 --admin 127.0.0.1:9090 --data $(DATA) --demo

cluster: build ## the cluster of docker-compose.yml without Docker: returns when it is up (CASSANDRA=3 for three nodes)
	@$(CLUSTER) -cassandra $(CASSANDRA) up

cluster-down: ## ends it; WIPE=1 deletes its data too
	@$(CLUSTER) $(if $(WIPE),-wipe) down

test: build ## every test in short form (< 20 minutes): what .ci/run runs; starts and ends the servers it needs
	@.ci/steps test

check: ## gofmt, vet, staticcheck and the quick tests; leaves the test servers running (make servers-down)
	@.ci/steps check

bench: build ## the load harness: one table against the budgets, JSON in docs/bench
	$(BIN)/murre-load bench

verify: build ## the long forms, resumable: one JSON line a run in verify/verify.jsonl
	@.ci/verify

screenshots: build ## docs/screenshots anew: the main screens and /demo, phone and desktop, light and dark
	@web/scripts/screenshots.sh

faults: build ## faults under load on a native cluster, resumable: one JSON line a run in verify/faults.jsonl
	$(BIN)/murre-load faults

servers-up: ## the servers that tests share, started ahead; tests start what is missing
	@$(SERVERS) up

servers-down: ## ends them and deletes their data
	@$(SERVERS) down

# --- the single steps, which test, check and verify put together -----------------------------------------------------

fmt: ## gofmt -l must list nothing
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); [ -z "$$out" ] || { echo "gofmt needed:"; echo "$$out"; exit 1; }

lint: ## go vet (also for macOS) and staticcheck
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./pkg/gateway/... ./cmd/murre/...
	$(GO) run $(STATICCHECK) ./...

unit: ## go test: units, conformance suites on both engines, import rules, configurations
	$(GO) test -short -p $(PARALLEL) -timeout 20m $(LONGEST) $$($(GO) list ./... | grep -vE '/test/(clients|e2e)$$')

race: ## go test -race over the packages where it matters
	$(GO) test -race -short -p $(PARALLEL) -timeout 20m $(RACE)

e2e: build ## the end-to-end suite on the embedded server
	$(GO) test -count=1 -timeout 10m -skip '^TestCluster' ./test/e2e/

e2e-cluster: build ## the same suite on three gateways behind HAProxy, over Cassandra, Redis Cluster and MinIO
	$(GO) test -count=1 -timeout 15m -run '^TestCluster' ./test/e2e/

web-test: build ## the web client: types, lint, units, and Chromium against bin/murre
	@web/scripts/web-test.sh

web-test-cluster: build ## its browser tests against three gateways behind HAProxy, over Cassandra, Redis Cluster and MinIO
	@web/scripts/web-test-cluster.sh

cqlgrammar: ## every CQL statement we ship against Scylla's own grammar
	@.ci/cqlgrammar

fuzz: ## every fuzz target for FUZZTIME
	@.ci/fuzz $(FUZZTIME)

clients: build ## clients that are not ours: Node ws and Python websockets
	test/clients/setup.sh
	$(GO) test -count=1 ./test/clients/...

crash: build ## ROUNDS rounds of kill -9 under load, checked
	$(BIN)/murre-load verify kill9 --rounds $(ROUNDS)

faults-short: build ## every fast fault once
	$(BIN)/murre-load faults --short

smoke: build ## the benchmarks in their shortest form: do they still run
	$(BIN)/murre-load bench --short

load-smoke: build ## a thousand people for half a minute on the embedded server and on a cluster, everything checked
	$(BIN)/murre-load run loadtest/scenarios/smoke.yaml
	$(BIN)/murre-load run loadtest/scenarios/smoke-cluster.yaml

capacity: build ## the tables of docs/capacity.md, scaling.md and million.md anew, from the figures under docs
	$(BIN)/murre-load capacity --write docs/capacity.md,docs/scaling.md,docs/million.md,docs/performance.md --plot docs/scaling.svg

million: build ## a million live connections on this machine while people chat: 20 GiB, an hour; docs/million.md
	$(BIN)/murre-load run loadtest/scenarios/million.yaml

storm: build ## 100,000 cut off at once, and back
	$(BIN)/murre-load run loadtest/scenarios/storm.yaml

soak: build ## an hour of 200,000 who come and go
	$(BIN)/murre-load run loadtest/scenarios/soak.yaml

autobahn: ## the Autobahn cases AUTOBAHN on both transports
	@set -f; .ci/autobahn.sh $(AUTOBAHN)

clean: ## remove what was built (never data)
	rm -rf $(BIN) verify web/dist web/client/dist web/node_modules web/test-results
	find pkg/webui/built -mindepth 1 ! -name README -delete
