# Everything a developer runs. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

GO          ?= go
BIN         := bin
VERSION     := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# What the race detector passes over in `make test`; `make verify` passes it over everything.
RACE        ?= ./pkg/admit/... ./pkg/app/... ./pkg/auth/... ./pkg/bus/... ./pkg/chat/... ./pkg/client/... ./pkg/gateway/... \
               ./pkg/inbox/... ./pkg/presence/... ./pkg/router/... ./pkg/service/... ./pkg/session/...
FUZZTIME    ?= 3000x
ROUNDS      ?= 3
AUTOBAHN    ?= 1.* 2.* 3.* 4.* 5.* 6.1.* 6.2.* 6.3.* 7.*
DATA        ?= murre-data

export GOFLAGS := -buildvcs=false $(GOFLAGS)

.PHONY: help build run test check bench verify fmt lint unit race fuzz clients crash smoke autobahn clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## bin/murre and bin/murre-load
	@mkdir -p $(BIN)
	$(GO) build -trimpath -ldflags '-X main.built=$(VERSION)' -o $(BIN)/ ./cmd/...

run: build ## serve on 127.0.0.1:8080 with two demo logins, data in ./murre-data
	@exec $(BIN)/murre serve --listen 127.0.0.1:8080 --admin 127.0.0.1:9090 --data $(DATA) --demo

test: build ## every test in short form (< 10 minutes): what .ci/run runs
	@.ci/steps test

check: ## gofmt, vet, staticcheck and the quick tests
	@.ci/steps check

bench: build ## the load harness: one table against the budgets, JSON in docs/bench
	$(BIN)/murre-load bench

verify: build ## the long forms, resumable: one JSON line a run in verify/verify.jsonl
	@.ci/verify

# --- the single steps, which test, check and verify put together -----------------------------------------------------

fmt: ## gofmt -l must list nothing
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); [ -z "$$out" ] || { echo "gofmt needed:"; echo "$$out"; exit 1; }

lint: ## go vet (also for macOS) and staticcheck
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./pkg/gateway/... ./cmd/murre/...
	$(GO) run $(STATICCHECK) ./...

unit: ## go test: units, conformance suites, import rules, end to end
	$(GO) test -short $$($(GO) list ./... | grep -v /test/clients)

race: ## go test -race over the packages where it matters
	$(GO) test -race -short $(RACE)

fuzz: ## every fuzz target for FUZZTIME
	@.ci/fuzz $(FUZZTIME)

clients: build ## clients that are not ours: Node ws and Python websockets
	test/clients/setup.sh
	$(GO) test -count=1 ./test/clients/...

crash: build ## ROUNDS rounds of kill -9 under load, checked
	$(BIN)/murre-load verify kill9 --rounds $(ROUNDS)

smoke: build ## the benchmarks in their shortest form: do they still run
	$(BIN)/murre-load bench --short

autobahn: ## the Autobahn cases AUTOBAHN on both transports
	@set -f; .ci/autobahn.sh $(AUTOBAHN)

clean: ## remove what was built (never data)
	rm -rf $(BIN) verify
