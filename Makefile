# skep. `make help` lists the targets; README.md says which two matter.

SHELL   := /bin/bash
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unreleased)
TOOL     = $(GO) tool -modfile=tools/go.mod
GOFLAGS += -trimpath
export GOFLAGS

.DEFAULT_GOAL := help
.PHONY: help setup build demo demo-down test bench lint fmt generate

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what building, testing and the demo need, where it is missing
	@scripts/setup.sh

build: ## Build bin/skep
	@CGO_ENABLED=0 $(GO) build -ldflags '-s -w -X main.version=$(VERSION)' -o bin/skep ./cmd/skep

demo: setup build demo-programs ## Start a cluster of five hosts on this machine and deploy examples/hello on it
	@scripts/demo.sh up

demo-down: build ## Remove the demo with everything it made
	@scripts/demo.sh down

.PHONY: demo-programs
demo-programs:
	@CGO_ENABLED=0 $(GO) build -ldflags '-s -w' -o bin/ ./examples/whoami

# Packages run two at a time: many start Docker Engines of their own. Race-instrumented tests need cgo, the binary not.
# The simulator is one thread: the race detector finds nothing in it, and made it the longest of all.
test: setup ## Run all tests
	@$(GO) test -timeout 15m ./internal/sim
	@CGO_ENABLED=1 $(GO) test -race -timeout 15m -p 2 $$($(GO) list ./... | grep -v '/internal/sim$$')

.PHONY: test-peer
test-peer: setup ## Run what compares skep with Docker's own swarm mode, both live
	@CGO_ENABLED=1 $(GO) test -race -timeout 30m -p 1 ./internal/lab/differential -side=both
	@CGO_ENABLED=1 $(GO) test -race -timeout 30m -p 1 ./internal/lab/compat -peer
	@CGO_ENABLED=1 $(GO) test -race -timeout 30m -v -p 1 ./internal/lab/clients -peer

# What a cluster needs of its engines, on the newest that can be had as Go modules: see tools/engine.
on_engines = ./internal/executor/docker ./internal/lab/engine ./internal/lab/hosts ./internal/lab/cluster ./internal/lab/network

.PHONY: test-engine
test-engine: setup ## Run on a newer Docker Engine what depends on the engine
	@CGO_ENABLED=1 scripts/newest-engine.sh $(GO) test -race -count 1 -timeout 20m -p 1 $(on_engines)

.PHONY: differential
differential: setup ## Run every script on Docker's own swarm mode and on skep, and count where they differ
	@scripts/differential.sh

.PHONY: stacks
stacks: setup ## Deploy, change and remove every stack of testdata/stacks, twice in a row, and every project of testdata/projects
	@CGO_ENABLED=1 $(GO) test -race -timeout 60m -v -run 'TestStacks|TestProjects' ./internal/lab/stacks -all

# What go test benchmarks says goes into the document too: through a file, never by hand.
BENCH   = $(GO) run ./internal/lab/bench/cmd
GOBENCH = set -o pipefail; $(GO) test -run '^$$' -timeout 60m -benchtime 1x

bench: setup build demo-programs ## Compare with Docker's own swarm mode, in under ten minutes; prints what it finds
	@$(BENCH) -doc '' -rounds 2
	@$(BENCH) -doc '' -spread -rounds 1
	@$(BENCH) -doc '' -lists -rounds 3
	@$(GOBENCH) -bench BenchmarkSchedule ./internal/manager | tee bin/schedule.txt
	@$(BENCH) -doc '' -stages bin/schedule.txt

.PHONY: bench-full
bench-full: setup build demo-programs ## Measure everything, which takes the better part of an hour and 8 GB; writes docs/benchmarks.md
	@$(BENCH)
	@$(BENCH) -failover
	@$(BENCH) -spread -rounds 3
	@$(BENCH) -network
	@$(BENCH) -registry -rounds 3
	@$(BENCH) -lists
	@$(BENCH) -scale
	@$(GOBENCH) -count 3 -bench BenchmarkSchedule ./internal/manager -manager.large | tee bin/schedule.txt
	@$(GOBENCH) -bench BenchmarkStoreMemory ./internal/store -store.large | tee bin/store.txt
	@$(BENCH) -stages bin/schedule.txt bin/store.txt

lint: ## Check style and likely mistakes
	@$(GO) vet ./...
	@$(TOOL) golangci-lint run ./...

fmt: ## Format the source
	@$(TOOL) golangci-lint fmt ./...

generate: ## Write generated code anew; needs Debian's protobuf-compiler
	@command -v protoc >/dev/null || { echo "protoc is missing: apt-get install protobuf-compiler" >&2; exit 1; }
	@$(GO) generate ./...
