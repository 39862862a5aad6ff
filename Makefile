# Every target sets up what it needs first; `make` alone lists the targets.
# Relative paths only, so the checkout may lie anywhere; PYTHON=... chooses the interpreter (3.11 or newer).

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

RECENT := import sys; sys.exit(sys.version_info < (3, 11))
ANY_PYTHON = $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$p -c '$(RECENT)' 2>/dev/null; then echo $$p; break; fi; done)
# Looked for once, and only where an environment is made.
ifndef PYTHON
PYTHON = $(eval PYTHON := $$(or $$(shell $(ANY_PYTHON) tools/interpreter.py 2>/dev/null),$(ANY_PYTHON)))$(PYTHON)
endif
WORKERS ?= auto
RATE ?= 170
SECONDS ?= 60

BIN := .venv/bin
PY := $(BIN)/python
PYTEST := $(PY) -m pytest
# A uv of the machine serves as well; otherwise pip puts one into .tools, which no system forbids.
UV := $(or $(shell sh -c 'command -v uv' 2>/dev/null),.tools/uv/bin/uv)
# Trust what this system trusts (a company's own authority, say), where it says what that is; else uv's own list.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),)
export UV_SYSTEM_CERTS ?= true
export UV_NATIVE_TLS ?= true
endif
# A user whose home cannot be written to (a service, a container's) keeps the cache here.
ifneq ($(shell mkdir -p "$${XDG_CACHE_HOME:-$${HOME:?}/.cache}/uv" 2>/dev/null && echo writable),writable)
export UV_CACHE_DIR ?= $(CURDIR)/.tools/cache
endif
INSTALL := UV_PYTHON_DOWNLOADS=never $(UV) pip install -q
VOCABULARY := $(wildcard src/battcrm/extraction/gazetteer/*.py src/battcrm/extraction/gazetteer/data/*.tsv)
EXPORT := export -q --no-emit-project --no-header --format requirements-txt

.PHONY: help setup oracles demo test check unit long faults bench ui-check neo4j test-graph docs lock clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

setup: .venv/.installed .venv/.vocabulary  ## build .venv from the locks; quick when nothing changed

oracles: .venv-oracles/.installed  ## the vendors' libraries that tests compare with, in .venv-oracles

demo: setup  ## the whole system with sample dialogues, on this machine (ONCE=1: check them and exit)
	@$(BIN)/battcrm demo $(if $(filter-out 0,$(ONCE)),--once)

test: setup oracles check  ## everything but the long forms: this is what CI runs
	@$(PYTEST) -n $(WORKERS) --dist worksteal -m "not long"

check: setup  ## format, lint, types, boundaries, rules of this repository
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@PYTHONPATH=. $(BIN)/lint-imports --no-logo
	@$(PY) -m tools.checks

unit: setup  ## tests without servers, under a minute
	@$(PYTEST) -n $(WORKERS) -m "not long" tests/unit

long: setup oracles  ## the long forms of property, fault and soak tests
	@$(PYTEST) -n $(WORKERS) --dist worksteal -m long --timeout 3600

faults: setup  ## break every line between us and our servers; writes docs/reference/faults.md
	@$(PY) -m battcrm.devkit.faults.proxy_table --page docs/reference/faults.md

bench: setup  ## throughput and latency end to end (RATE=170 SECONDS=60)
	@$(BIN)/battcrm bench --rate $(RATE) --seconds $(SECONDS)

ui-check: setup  ## the chat page in a headless Chromium: keyboard, widths, screenshots
	@$(PY) -m tests.ui.check

neo4j: setup  ## a real Neo4j 5.26 on this machine until Ctrl-C (needs Maven and Java 17 or 21)
	@$(PY) -m battcrm.devkit.neo4j_server

test-graph: setup  ## the graph contract against that Neo4j, or against BATTCRM_TEST_NEO4J_URL
	@BATTCRM_TEST_NEO4J_URL="$${BATTCRM_TEST_NEO4J_URL:-bolt://127.0.0.1:7687}" \
		BATTCRM_TEST_NEO4J_PASSWORD="$${BATTCRM_TEST_NEO4J_PASSWORD:-any}" $(PYTEST) tests/contract/graph

docs: setup  ## write the generated reference pages anew
	@$(PY) -m battcrm.events.reference
	@$(PY) -m tools.reference

lock: $(UV)  ## resolve all dependencies anew and write requirements/*.lock
	@$(UV) lock -q --upgrade
	@$(UV) $(EXPORT) --no-dev -o requirements/runtime.lock >/dev/null
	@$(UV) $(EXPORT) --no-dev --extra embedded -o requirements/embedded.lock >/dev/null
	@$(UV) $(EXPORT) --no-dev --extra litellm -o requirements/litellm.lock >/dev/null
	@$(UV) $(EXPORT) --extra embedded --group dev -o requirements/dev.lock >/dev/null
	@$(UV) pip compile -q --upgrade --generate-hashes --universal --no-header --no-annotate \
		--python-version 3.11 requirements/oracles.in -o requirements/oracles.lock >/dev/null

clean:  ## remove environments, caches and local servers' data
	@if [ -x $(BIN)/battcrm ]; then $(BIN)/battcrm down || true; fi
	@rm -rf .venv .venv-oracles .tools .battcrm build dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@rm -rf src/battcrm/extraction/gazetteer/data/compiled
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment knows its own place: in a copied or moved checkout it is made again.
PLACE := $(shell pwd -P)
ifneq ($(shell cat .venv/.installed 2>/dev/null),$(PLACE))
.PHONY: .venv/.installed
endif
ifneq ($(shell cat .venv-oracles/.installed 2>/dev/null),$(PLACE))
.PHONY: .venv-oracles/.installed
endif
NEW_UNLESS_HERE = if [ "$$(cat $(@D)/.installed 2>/dev/null)" != "$$(pwd -P)" ]; then \
	echo "setup: $(@D) of $(PYTHON)" >&2; \
	rm -rf $(@D) && UV_PYTHON_DOWNLOADS=never $(UV) venv -q --python "$(PYTHON)" $(@D); fi

.venv/.installed: requirements/dev.lock pyproject.toml | $(UV)
	@echo "setup: installing into $(@D)" >&2
	@$(NEW_UNLESS_HERE)
	@$(INSTALL) --python $(PY) --require-hashes -r requirements/dev.lock
	@$(INSTALL) --python $(PY) --no-deps -e .
	@pwd -P > $@

.venv/.vocabulary: $(VOCABULARY) | .venv/.installed
	@$(PY) -m battcrm.extraction.gazetteer.compile >/dev/null
	@touch $@

.venv-oracles/.installed: requirements/oracles.lock | $(UV)
	@echo "setup: installing into $(@D)" >&2
	@$(NEW_UNLESS_HERE)
	@$(INSTALL) --python $(@D)/bin/python --require-hashes -r requirements/oracles.lock
	@pwd -P > $@

.tools/uv/bin/uv:
	@test -n "$(PYTHON)" || { echo "setup: no Python 3.11 or newer found; name one: make PYTHON=/path/to/python" >&2; exit 2; }
	@echo "setup: fetching uv" >&2
	@for p in $(ANY_PYTHON) "$(PYTHON)"; do if PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 \
		$$p -m pip install -q --target .tools/uv uv; then exit 0; fi; done; \
		echo "setup: $(PYTHON) has no working pip; install pip, or uv" >&2; exit 2
