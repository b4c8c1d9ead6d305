# Everything from a bare clone: make demo, make test. Works from any folder:
#   make -C PATH_OF_THE_CLONE demo
ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
PYTHON ?= python3
VENV ?= $(ROOT)/.venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO_MODEL ?= packaged:smollm2-135m-instruct
MUTANTS ?= --sample 150

.DEFAULT_GOAL := help
.PHONY: help install demo test lint slow mutants bench docs dist clean

help:
	@echo "make demo   install, then score a small real model on the mini tasks"
	@echo "make test   install, then lint, types, layering and the tests"
	@echo "make slow   the tests that take minutes"
	@echo "make mutants  does a test notice when the code of verdicts changes? takes an hour"
	@echo "make bench  the numbers of docs/performance.md; takes long"
	@echo "make docs   the docs site in site/, links checked"
	@echo "make dist   source archives and wheels in dist/, checked"
	@echo "make clean  remove the virtual environments"

install: $(READY)

# The stamp is written last, so an interrupted installation is done again.
$(READY): $(ROOT)/pyproject.toml $(ROOT)/reference_models/pyproject.toml $(ROOT)/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "empeval needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -c $(ROOT)/constraints.txt -e '$(ROOT)[dev]' -e $(ROOT)/reference_models
	@touch $(READY)

demo: $(READY)
	cd $(ROOT) && $(BIN)/empeval run --model $(DEMO_MODEL) --tasks eqbench-mini,ed-mini

lint: $(READY)
	cd $(ROOT) && $(BIN)/ruff check .
	cd $(ROOT) && $(BIN)/ruff format --check .
	cd $(ROOT) && $(BIN)/mypy
	cd $(ROOT) && $(BIN)/lint-imports --no-cache

test: lint
	cd $(ROOT) && OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

slow: $(READY)
	cd $(ROOT) && $(BIN)/python -m pytest -m slow

mutants: $(READY)
	cd $(ROOT) && OMP_NUM_THREADS=1 $(BIN)/python benchmarks/mutants.py $(MUTANTS)

bench: $(READY)
	cd $(ROOT) && $(BIN)/python benchmarks/bench.py $(BENCH)

docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -c $(ROOT)/constraints.txt -e '$(ROOT)[docs]'
	cd $(ROOT) && NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# In an environment of its own, which brings no torch.
dist:
	rm -rf $(ROOT)/dist
	$(PYTHON) -m venv $(VENV)-dist
	$(VENV)-dist/bin/python -m pip install --quiet --disable-pip-version-check build twine
	$(VENV)-dist/bin/python -m build --outdir $(ROOT)/dist $(ROOT)
	$(VENV)-dist/bin/python -m build --outdir $(ROOT)/dist $(ROOT)/reference_models
	$(VENV)-dist/bin/python -m twine check --strict $(ROOT)/dist/*

clean:
	rm -rf $(VENV) $(VENV)-dist $(ROOT)/site
