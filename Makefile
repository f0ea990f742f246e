# Everything that people do with the tree. `make` alone lists it; .ci/run does all that must pass.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# One package at a time: several start a control plane, and two of those with the race detector are too much for two cores.
TEST_FLAGS ?= -race -p 1 -timeout 40m
PACKAGES ?= ./...
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
PROGRESS := go run ./test/progress
# What runs in seconds: no control plane, no race detector.
QUICK := . ./api/... ./internal/state/... ./internal/fault/... ./internal/diff/... ./internal/plan/... ./internal/policy/... \
	./internal/expression/... ./internal/window/... ./internal/loop/... ./internal/history/... ./internal/store/... \
	./internal/source/... ./internal/render/... ./internal/httpapi/... ./internal/probe/... ./internal/agent/... ./internal/term/... \
	./internal/scaffold/... ./internal/target/inmem/... ./internal/target/self/... ./internal/target/host/rootfs/... \
	./internal/target/host/journal/... ./internal/target/host/logs/... ./test/progress/... ./test/simulation

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/setpoint
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/setpoint ./cmd/setpoint

.PHONY: demo
demo: ## see it at work in a minute: apps and files on this host, in a temporary directory (DEMO=--auto goes through the tour)
	@CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/setpoint ./cmd/setpoint
	@bin/setpoint demo $(DEMO)

.PHONY: try
try: ## an agent at work on examples/fleet, with a control plane and a Git server of its own (TRY=--auto goes through the tour)
	go run ./test/try $(TRY)

.PHONY: test
test: needs controlplane servers ## every test, with the race detector and real control planes (the first time, these are built for some minutes)
	go test -json $(TEST_FLAGS) $(PACKAGES) </dev/null 2>&1 | $(PROGRESS)

.PHONY: acceptance
acceptance: needs controlplane ## the tests on real repositories that nobody here wrote: make acceptance FIXTURES=folder
	@test -d "$(FIXTURES)" || { echo "say where the fixtures are: make acceptance FIXTURES=folder"; exit 1; }
	SETPOINT_FIXTURES=$(abspath $(FIXTURES)) go test -race -count=1 -timeout 20m -v -run Fixtures ./test/system

FUZZTIME ?= 60s
.PHONY: fuzz
fuzz: ## every fuzz target of the tree, for a while, two at a time: make fuzz FUZZTIME=60s
	@.ci/fuzz $(FUZZTIME)

SEEDS ?= 10000
.PHONY: sim
sim: ## loops against a plant in memory while everything goes wrong that can: make sim SEEDS=100000
	go run ./test/simulation -seeds $(SEEDS)

.PHONY: mutations
mutations: ## would the simulation notice? deliberate bugs, one after the other; minutes
	go run ./test/simulation/mutations

.PHONY: needs
needs: ## install what tests need and the machine lacks (gcc for the race detector, git)
	@.ci/needs

.PHONY: check
check: ## the quick loop while developing: format, vet, rules of the tree, tests without a control plane
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -d $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go test -json -timeout 2m $(QUICK) </dev/null 2>&1 | $(PROGRESS)

.PHONY: controlplane
controlplane: ## build the control plane that tests start, unless it is there
	@test -n "$${KUBEBUILDER_ASSETS:-}" || go run ./test/cluster/cmd/controlplane --build >/dev/null

.PHONY: servers
servers: ## build the registry, Helm and Kustomize that tests speak to or compare with, unless they are there
	go test -timeout 25m ./test/tools

.PHONY: lint
lint: bin/golangci-lint ## the linters
	bin/golangci-lint run ./...

.PHONY: vulnerabilities
vulnerabilities: bin/govulncheck ## known vulnerabilities that the code reaches (needs the vulnerability database)
	bin/govulncheck ./...

# Tools are built from their Go modules, pinned in .ci/tools: nothing is downloaded as a binary.
bin/golangci-lint: .ci/tools/go.mod
	go build -C .ci/tools -o ../../bin/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

bin/govulncheck: .ci/tools/go.mod
	go build -C .ci/tools -o ../../bin/ golang.org/x/vuln/cmd/govulncheck
	@touch $@

.PHONY: bench
bench: controlplane ## the whole product against its limits, then the Kubernetes target alone (BENCH="-run drift" for a part); minutes
	go run ./bench $(BENCH)
	test -n "$(BENCH)" || go run ./bench/apply

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin
