# The one door for developers; `make help` lists what is behind it. Everything runs in .venv, which is
# made here and never has to be activated.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
DEMO_STAMP := $(VENV)/.demo-stamp
TEST_STAMP := $(VENV)/.test-stamp
REQUIREMENTS := setup.cfg pyproject.toml constraints.txt
CODE := bindsearch index ingest cli tests $(wildcard examples benchmarks)
# The trials of the daemon take from minutes to hours; docs/daemon.md says how to run each.
BENCHMARKS := $(filter-out benchmarks/daemon_%,$(wildcard benchmarks/[a-z]*.py))
INSTALL := $(BIN)/python -m pip install --quiet --quiet --constraint constraints.txt --editable
# Two runs of make at once must not write to .venv at the same time; where there is no flock, they may.
LOCKED := $(shell command -v flock >/dev/null 2>&1 && echo flock $(VENV)/.lock)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_ROOT_USER_ACTION := ignore

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test check format typing-folder bench clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18
	@echo '  PYTHON=python3.12 names the interpreter; ARGS="-k walk" goes to pytest.'

demo: $(DEMO_STAMP) ## index a small folder of pictures, films and notes, and search it
	@$(BIN)/python examples/demo.py

test: check ## style, types and the whole test suite
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

check: $(TEST_STAMP) typing-folder ## style and types only
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/mypy

format: $(TEST_STAMP) ## bring the code into the house style
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

bench: $(TEST_STAMP) ## measure speed; figures depend on what else the machine does
	@set -e; for script in $(BENCHMARKS); do echo "== $$script"; $(BIN)/python "$$script"; done

clean: ## remove everything that make made
	rm -rf $(VENV) build dist *.egg-info .demo .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find bindsearch index ingest cli tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Type checkers do not follow package_dir, so they are shown the layout that an installed package has.
typing-folder:
	@mkdir -p build/typing/bindsearch
	@find -L build/typing/bindsearch -maxdepth 1 -type l -exec rm -f {} +
	@for path in bindsearch/*; do \
		[ "$$path" = bindsearch/__pycache__ ] || ln -sfn "../../../$$path" "build/typing/$$path"; done
	@for name in index ingest cli; do ln -sfn "../../../$$name" "build/typing/bindsearch/$$name"; done

$(DEMO_STAMP): $(REQUIREMENTS)
	$(call set_up,cpu$(comma)demo,$@)

$(TEST_STAMP): $(REQUIREMENTS)
	$(call set_up,cpu$(comma)flir$(comma)imagebind$(comma)parquet$(comma)test$(comma)dev$(comma)train,$@)

comma := ,
define set_up
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "bindsearch needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@mkdir -p $(VENV)
	@echo "Setting up $(VENV) with [$(1)]; the first time takes a few minutes." >&2
	@test -x $(BIN)/pip || $(LOCKED) $(PYTHON) -m venv $(VENV) || { \
		echo "Python's venv module is incomplete; on Debian: apt install python3-venv" >&2; exit 1; }
	@$(LOCKED) $(INSTALL) ".[$(1)]"
	@touch $(2)
endef
