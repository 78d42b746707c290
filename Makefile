# `make demo` and `make test` prepare everything they need; `make` alone lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Compiled modules are kept, whatever the shell says: pytest compiles every test anew otherwise, in each process.
unexport PYTHONDONTWRITEBYTECODE

# Tests keep their files in memory where that has 4 GB to spare: on a slow disk they wait for it a third of their time.
ifndef TMPDIR
IN_MEMORY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 { print "TMPDIR=/dev/shm" }')
endif

.DEFAULT_GOAL := help
.PHONY: help install demo test test-long simulate mutants check format docs bench lock clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## make .venv from requirements.lock, with headrace in it

# uv where present, else venv and pip: the lock pins every version and hash for both.
$(STAMP): requirements.lock pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable . ; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . ; \
	fi
	@touch $@

demo: install ## a simulated table, a live workload, and SQL over it
	@$(BIN)/headrace demo

# Three at once on two cores: those that wait for processes leave room.
test: install ## every test but the long ones
	@$(IN_MEMORY) $(BIN)/pytest -n 3 -m "not long"

test-long: install ## thousands of simulation seeds, soak and crash loops
	@$(BIN)/pytest -n 2 -m long

START ?= 0
SEEDS ?= 1000
ENGINE ?= memory
JOBS ?= 2
simulate: install ## seeds START to START+SEEDS-1 of the simulation (also ENGINE, JOBS, ARGS)
	@cd tests && ../$(BIN)/python -m support.simulation --start $(START) --seeds $(SEEDS) --engine $(ENGINE) --jobs $(JOBS) $(ARGS)

mutants: install ## plant known errors in a copy of the sources, one by one; the simulation must notice each
	@cd tests && ../$(BIN)/python -m support.mutants $(ARGS)

check: install ## lint, format, types and architecture
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: install ## apply the formatter and the safe lint fixes
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: install ## write the generated pages anew
	@$(BIN)/python -m headrace.config.document_parameters > docs/configuration.md
	@$(BIN)/python -m headrace.cli.reference > docs/commands.md
	@$(BIN)/python -m headrace.cli.types_page > docs/types.md
	@$(BIN)/python -m headrace.metrics.reference > docs/metrics.md
	@$(BIN)/python -m headrace.simulator.weather.reference docs/simulator.md

bench: install ## first figures: decoding and bootstrap against peers, and freshness
	@$(BIN)/python bench/run.py

lock: ## pin the newest versions that pyproject.toml allows
	@uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --python-version 3.11 --upgrade --quiet --output-file requirements.lock

clean: ## remove what make made
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
