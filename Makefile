# What a developer and .ci/run call; `make help` lists it.

VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOTESTFLAGS ?=
FUZZTIME    ?= 5s
BENCH       ?= small,large,stream 3

LINT_VERSION := v2.15.0
LINT         := bin/golangci-lint-$(LINT_VERSION)

# Recorded traffic, benchmark and routing data lie beside the project.
export HALFPENNY_SHARED ?= $(abspath ../shared)

.DEFAULT_GOAL := help
.PHONY: help build run test lint fuzz bench router-model clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the static binary bin/halfpenny
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/halfpenny ./cmd/halfpenny

run: build ## build, then serve a demo on loopback: nothing to install, data in ./data
	bin/halfpenny serve --demo

test: ## all the tests; with GOTESTFLAGS=-race under the race detector
	go test $(GOTESTFLAGS) ./...

lint: $(LINT) ## gofmt, go vet and golangci-lint
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	$(LINT) run ./...

$(LINT):
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv bin/golangci-lint $(LINT)

fuzz: ## every fuzz target for FUZZTIME (5s)
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | while IFS=: read -r file name; do \
		echo "$$(dirname $$file) $${name#func }"; \
		go test -run '^$$' -fuzz "^$${name#func }\$$" -fuzztime $(FUZZTIME) "$$(dirname $$file)" || exit 1; \
	done

bench: build ## CPU per request beside a bare proxy and nginx
	python3 $(HALFPENNY_SHARED)/bench/compare.py $(BENCH)

router-model: ## train the difficulty model from recorded outcomes
	go run ./router/model/train

clean: ## remove what was built; ./data stays
	rm -rf bin
