# Every target sets up what it needs; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
PROTOS := $(wildcard proto/*/v1/*.proto)

.tools/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; PYTHON=/path/to/python3 names one")'
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv

$(READY): requirements.lock pyproject.toml | $(if $(filter .tools/%,$(UV)),.tools/bin/uv)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes requirements.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: setup
setup: $(READY) ## make the environment in .venv

.PHONY: run
run: $(READY) ## gateway, receiver and one agent on this machine; ARGS=--once ends after the first turn
	@$(BIN)/forge demo $(ARGS)

.PHONY: test
test: $(READY) ## all tests; ARGS="-k name" picks some
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: test-cluster
test-cluster: $(READY) ## tests on a real Kubernetes node (root, Debian, Go); ARGS="-k name" picks some
	@$(BIN)/python -m tests.cluster $(ARGS)

.PHONY: bench-cluster
bench-cluster: $(READY) ## how fast agents are as pods, on such a node; four minutes
	@$(BIN)/python -m tests.cluster bench

.PHONY: bench
bench: $(READY) ## how fast, in one table (Linux); ARGS=quick does less of everything
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: chaos
chaos: $(READY) ## kill and stop everything at random, up to 3 minutes in all; SEED= repeats a run, ARGS=--short
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: soak
soak: $(READY) ## ten minutes of load on a failing receiver: does anything grow?; MINUTES=
	@$(BIN)/python -m tests.soak $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: check
check: $(READY) ## lint, types, import rules, generated files, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tests.checks

.PHONY: fmt
fmt: $(READY) ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: proto
proto: $(READY) ## generate the modules beside the .proto files
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. \
		--plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --mypy_out=. \
		--plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc --mypy_grpc_out=. $(PROTOS)

.PHONY: docs
docs: $(READY) ## make docs/settings.md, the faults in docs/reliability.md, the README's capabilities
	$(BIN)/python -m tests.checks --write

.PHONY: images
images: ## build the images of gateway and agent with docker, podman or buildah; deploy/images.sh has the settings
	@deploy/images.sh

COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
	--no-header --python-version 3.11

.PHONY: lock
lock: $(if $(filter .tools/%,$(UV)),.tools/bin/uv) ## resolve pyproject.toml into requirements.lock and those of the images
	$(COMPILE) --extra dev pyproject.toml -o requirements.lock
	$(COMPILE) -c requirements.lock pyproject.toml -o deploy/locks/gateway.txt
	for name in agent build npm; do \
		$(COMPILE) -c requirements.lock --group $$name-image -o deploy/locks/$$name.txt || exit; \
	done

.PHONY: dev-cluster
dev-cluster: ## a cluster of kind on this machine, with the images of make images in it
	@deploy/dev-cluster.sh

OVERLAY ?= dev
.PHONY: deploy
deploy: ## apply OVERLAY (dev, production or a folder) to the cluster kubectl points to
	@deploy/apply.sh $(OVERLAY)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'
