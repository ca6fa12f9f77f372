# `make` alone lists the targets. Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TRAIN := $(VENV)/.installed-train
DEV := $(VENV)/.installed-dev
PYTEST := $(BIN)/python -m pytest
WORKERS ?= 2
# slow tests wait more than they compute
SLOW_WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help install run test check test-slow fault soak fuzz bench fmt lint snap-update test-gpu picture clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; set PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(TRAIN) $(DEV): $(VENV)/.installed-%: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV) (the first time takes a minute or more) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@

install: $(DEV)  ## make .venv and install everything into it

run: $(TRAIN)  ## train configs/ner.toml in the daemon and watch it
	@$(BIN)/traind start configs/ner.toml --watch

test: $(DEV)  ## the tests, under 3 minutes
	$(PYTEST) -n $(WORKERS) --dist worksteal -m "not slow and not gpu"

check: lint test test-slow  ## lint, types, import contracts, all tests, faults; under 15 minutes

test-slow: $(DEV)  ## the slow tests, some of each fault among them
	$(PYTEST) -n $(SLOW_WORKERS) --dist worksteal -m "slow and not soak"

fault: $(DEV)  ## what runs survive, each fault done to real processes, 30 kills among them: the table; 8 minutes
	$(PYTEST) -n $(WORKERS) --dist worksteal --faults=quick tests/process tests/soak

soak: $(DEV)  ## the same with 100 kills and every face of each fault; under an hour
	$(PYTEST) -n $(WORKERS) --dist worksteal --faults=all tests/process tests/soak

fuzz: $(DEV)  ## 200 hostile run directories on every screen and page of the dashboard, 100,000 hostile lines; twenty minutes
	FUZZ_RUNS=200 $(PYTEST) tests/fuzz

bench: $(DEV)  ## what speed costs and gains; prints tables, never fails on a time
	$(BIN)/python -m bench.logging
	$(BIN)/python -m bench.overhead
	$(BIN)/python -m bench.checkpoint
	$(BIN)/python -m bench.ddp
	$(BIN)/python -m bench.viewer
	$(BIN)/python -m bench.runs
	$(BIN)/python -m bench.status
	$(BIN)/python -m bench.vs_trainer
	$(BIN)/python -m bench.recipes

fmt: $(DEV)  ## format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix -q .

lint: $(DEV)  ## lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

snap-update: $(DEV)  ## accept the dashboard's new pictures, after looking at them
	$(PYTEST) tests/snapshot --snapshot-update

picture: $(DEV)  ## draw README's picture anew from runs/latest
	$(BIN)/python -m docs.picture runs/latest docs/dashboard.svg

test-gpu: $(DEV)  ## tests that need an NVIDIA GPU
	$(PYTEST) -m gpu

clean:  ## remove the virtual environment and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
