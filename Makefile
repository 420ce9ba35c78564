# Each command does its own set-up: a machine with Python >= 3.11, make and nothing else is enough.
# python3.11 first: the tested set of constraints.txt was tested there.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Another interpreter beside it: make test PYTHON=python3.13 VENV=.venv-3.13
VENV ?= .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
BROWSER := apt-get install chromium (Debian), brew install --cask chromium (macOS), or XSIM_CHROMIUM=/path/to/it
SOAK_MINUTES ?= 30
# Two test processes share the cores: one thread each.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1

.PHONY: help setup demo test test-slow test-lowest fuzz soak coverage wheel lint format types bench docs clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/'

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "xsim needs Python >= 3.11: install one, or say make PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv $(VENV)

# What the program needs.
$(VENV)/.xsim: pyproject.toml constraints.txt | $(VENV)/bin/python
	@# The name that it had before 0.2: both bring the program.
	@$(BIN)/python -m pip uninstall --quiet --yes xsim 2>/dev/null
	$(PIP) --editable .
	@touch $@

# What its developers need besides.
$(VENV)/.xsim-dev: $(VENV)/.xsim
	$(PIP) --editable ".[dev]"
	@touch $@

# What the documentation is built with.
$(VENV)/.xsim-docs: $(VENV)/.xsim
	$(PIP) --editable ".[docs]"
	@touch $@

setup: $(VENV)/.xsim-dev  ## Make .venv with everything that developers need

demo: $(VENV)/.xsim  ## Simulate a board, restore its blurred image, show both
	$(BIN)/python examples/demo.py

lint: $(VENV)/.xsim-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.xsim-dev  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.xsim-dev
	$(BIN)/mypy

test: lint types  ## Lint, types and the quick tests (under 12 minutes on two cores)
	@$(BIN)/python -m tests.browser || echo "make test: the browser tests will be skipped: $(BROWSER)"
	$(ONE_THREAD) $(BIN)/pytest -n 2 -m "not slow"

test-slow: $(VENV)/.xsim-dev  ## The checks that take minutes
	$(ONE_THREAD) $(BIN)/pytest -m slow

# The lowest versions of pyproject.toml, in an environment of their own; wheels alone, as nobody builds old ones.
LOWEST := .venv-lowest
$(LOWEST)/.xsim: pyproject.toml tests/lowest.py
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m tests.lowest gerber mesh > $(LOWEST)/lowest.txt
	PIP_CONSTRAINT=$(LOWEST)/lowest.txt $(LOWEST)/bin/pip install --quiet --only-binary :all: \
		$$(cut -d= -f1 $(LOWEST)/lowest.txt) "pylibjpeg[openjpeg,libjpeg]" hatchling editables \
		hypothesis pytest pytest-xdist pyyaml scikit-image shapely
	$(LOWEST)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

test-lowest: $(LOWEST)/.xsim  ## The quick tests with the lowest versions of every dependency
	$(ONE_THREAD) $(LOWEST)/bin/pytest -n 2 -m "not slow"

fuzz: $(VENV)/.xsim-dev  ## Damage images, recipes, weights, phantoms and caches, ten minutes each
	$(ONE_THREAD) $(BIN)/pytest tests/faults/test_fuzzing.py -m slow --fuzz-seconds 600

soak: $(VENV)/.xsim-dev  ## Everything at once for SOAK_MINUTES=30: memory, descriptors and temporary files stay flat
	$(BIN)/python -m tests.soak --minutes $(SOAK_MINUTES)

coverage: $(VENV)/.xsim-dev  ## Which lines the quick tests run; fails below 90 %
	$(ONE_THREAD) $(BIN)/coverage run -m pytest -m "not slow"
	$(BIN)/coverage report

wheel: $(VENV)/.xsim-dev  ## Build wheel and sdist into dist/, and check what they hold
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/python -m twine check --strict dist/*
	$(ONE_THREAD) $(BIN)/pytest tests/test_release.py

bench: $(VENV)/.xsim-dev  ## Every benchmark in one table, beside floors and peers (under 20 minutes on two cores)
	$(BIN)/python benchmarks/run_all.py

docs: $(VENV)/.xsim-docs  ## Build the documentation into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:  ## Remove what the build and the tests leave behind
	rm -rf build dist site demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
