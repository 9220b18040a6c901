# The commands of the project; each sets up .venv by itself, once. `make help` lists them.
#
# Python is looked for as python3, then python3.13 to python3.10; PYTHON=/path/to/python overrides.
# Packages come from wherever pip is configured to look.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo dev test check benchmarks clean

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
PYTHON ?=

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## */make \1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/.has-example  ## load three sources and make four models, and show what was loaded
	@$(BIN)/python -m example_project.demo

dev: $(VENV)/.has-example  ## the same in Dagster's pages, beside a Hevo that keeps its own schedule
	@$(BIN)/python -m example_project.dev

test: $(VENV)/.has-dev  ## all tests; ARGS="tests/example -k customers" runs some
	@$(BIN)/python -m pytest -q -n 3 --dist worksteal $(ARGS)

check: $(VENV)/.has-dev  ## format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright

benchmarks: $(VENV)/.has-dev  ## every figure of docs/performance.md, in about twenty minutes
	@$(PIP) install -e ".[benchmarks]"
	@$(BIN)/python benchmarks/all.py

clean:  ## remove .venv and everything that the other commands left behind
	rm -rf $(VENV) .demo .dev .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp an extra: nothing is installed twice until pyproject.toml changes.
$(VENV)/.has-%: pyproject.toml | $(VENV)/bin/python
	@echo "Installing dagster-hevo[$*] into $(VENV) (once; a minute or so) ..."
	@$(PIP) install -e ".[$*]"
	@touch $@

# Whoever can run the tests can run the example too.
ifneq ($(wildcard $(VENV)/.has-dev),)
$(VENV)/.has-example: $(VENV)/.has-dev
	@touch $@
endif

$(VENV)/bin/python:
	@for candidate in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.10); do \
	  if "$$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	      2>/dev/null; then \
	    echo "Making $(VENV) with $$("$$candidate" --version) ..."; \
	    if "$$candidate" -m venv $(VENV) && $(PIP) --version >/dev/null; then exit 0; fi; \
	    rm -rf $(VENV); \
	    echo "$$candidate cannot make a virtual environment (on Debian: apt-get install" \
	      "python3-venv)." >&2; \
	  fi; \
	done; \
	echo "Found no Python 3.10 to 3.13 that can make a virtual environment, under the names:" \
	  "$(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.10)." \
	  "Install one, or name one: make PYTHON=/path/to/python" >&2; \
	exit 1
