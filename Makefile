# Everything a checkout needs: Python 3.11 or newer, a Rust toolchain, and make.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
# Shared by all checkouts, so that dependencies are compiled once.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/fsspec-db-gateway/target
# Cargo does not tell the bridges of two checkouts apart there: whoever comes second compiles it anew.
$(shell mkdir -p "$(CARGO_TARGET_DIR)"; last="$(CARGO_TARGET_DIR)/checkout"; \
    [ "$$(cat "$$last" 2>/dev/null)" = "$(CURDIR)" ] || { touch bridge/src/lib.rs; echo "$(CURDIR)" >"$$last"; })
# One interpreter for every cargo command, so that PyO3 is not rebuilt between them.
export PYO3_PYTHON := $(CURDIR)/.venv/bin/python

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Compiles the bridge into fsspec_db/ and installs the checkout, with nothing but what is locked.
DEVELOP := PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install --no-deps --no-build-isolation --editable .
RUST := Cargo.toml Cargo.lock pyproject.toml $(shell find bridge -name '*.rs' -o -name Cargo.toml)

# What `make run` compiles: dev is there sooner, release is faster.
PROFILE ?= dev

# Passed on: make run ARGS='--access write', make test ARGS='-k names', make bench ARGS='get put'.
ARGS ?=

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/bridge-$(PROFILE) ## Set everything up and serve the demo database (ARGS='--access write')
	@$(BIN)/fsspec-db serve $(ARGS)

.PHONY: test
test: $(VENV)/dev $(VENV)/bridge-dev ## Run all tests, of the bridge and of the Python packages (ARGS for pytest)
	cargo test --locked --no-default-features
	$(BIN)/python -m pytest $(ARGS)

.PHONY: check
check: $(VENV)/dev $(VENV)/bridge-dev ## Lint, formatting, types, and the stub against the binary
	cargo fmt --check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/stubtest --mypy-config-file pyproject.toml fsspec_db._bridge
	cargo clippy --locked --all-targets -- -D warnings

.PHONY: fmt
fmt: $(VENV)/dev ## Format and fix what can be fixed
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format
	cargo fmt

.PHONY: bench
bench: $(VENV)/bench $(VENV)/bridge-release ## Measure side by side with peers (ARGS names benchmarks)
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: build
build: $(VENV)/run ## Build the wheel and the source distribution into dist/
	rm -rf dist
	$(BIN)/maturin build --release --locked --sdist --out dist

.PHONY: docs
docs: $(VENV)/bridge-dev ## Write the tables of docs/ anew from the code they describe
	$(BIN)/python -m docs.generate

.PHONY: defences
defences: $(VENV)/dev $(VENV)/bridge-dev ## Take each defence of an invariant out and see its tests fail (ARGS: numbers, words)
	$(BIN)/python -m tests.defences $(ARGS)

.PHONY: lock
lock: pyproject.toml ## Resolve the Python dependencies anew into locks/
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet uv
	compile="$(VENV)/lock/bin/uv pip compile pyproject.toml --upgrade --universal --generate-hashes \
	    --no-header --no-annotate --quiet"; \
	$$compile --extra demo --group run --output-file locks/run.txt; \
	$$compile --all-extras --group dev --constraints locks/run.txt --output-file locks/dev.txt; \
	$$compile --all-extras --group bench --constraints locks/dev.txt --output-file locks/bench.txt

.PHONY: clean
clean: ## Remove what was built here; compiled dependencies stay in CARGO_TARGET_DIR
	rm -rf $(VENV) dist build fsspec_db/_bridge*.so .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find fsspec_db gateway tests benchmarks docs -name __pycache__ -prune -exec rm -rf {} +

# Environments: each level adds to the one before it.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: locks/run.txt | $(BIN)/python
	$(PIP) install --require-hashes -r $<
	@touch $@

$(VENV)/dev: locks/dev.txt $(VENV)/run
	$(PIP) install --require-hashes -r $<
	@touch $@

$(VENV)/bench: locks/bench.txt $(VENV)/dev
	$(PIP) install --require-hashes -r $<
	@touch $@

# The compiled module. Both profiles install the same file, so each takes the other's stamp away.

$(VENV)/bridge-dev $(VENV)/bridge-release: $(VENV)/bridge-%: $(RUST) $(VENV)/run
	@rm -f $(VENV)/bridge-*
	@echo "Compiling the bridge ($*): some minutes the first time, seconds after that"
	$(DEVELOP) --config-settings build-args="--locked --profile $*"
	@touch $@
