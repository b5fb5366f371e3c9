# `make` lists the targets. PYTHON picks the interpreter, TORCH_INDEX a wheel index for torch.
PYTHON ?= python3
TORCH_INDEX ?=
PRESET ?= quickstart
BASE ?= python:3.11-slim
TORCH ?= cpu
TAG ?= $(shell docker/tag.sh $(TORCH))
IMAGE = schwarz/python-train:$(TAG)
BIN := .venv/bin
READY := .venv/ready
BENCHMARKS := $(filter-out __init__ lines lost_boxes_told,$(basename $(notdir $(wildcard benchmarks/*.py))))
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input -c constraints.txt

# A machine on which Python may keep no bytecode compiles every module in every process: a third of a short command.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run up down test test-machine check bench compile download images clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv; TORCH_INDEX=https://download.pytorch.org/whl/cpu for the small CPU build of torch
	@echo "Ready: .venv/bin/schwarz. Next: make run, make test, or .venv/bin/schwarz --help"

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) here. Name a Python of 3.11 or newer: make setup PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("schwarz needs Python 3.11 or newer, $(PYTHON) is %d.%d. Name a newer one: make setup PYTHON=python3.12" % v[:2])'
	@echo "Setting up .venv: some minutes the first time; 2.3 GB on disk with the CPU build of torch, more with CUDA."
	@$(PYTHON) -m venv .venv
	@$(PIP) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -e '.[dev]'
	@touch $@

.venv/machine: $(READY)
	@$(PIP) -e '.[machine]'
	@touch $@

.venv/stack: $(READY)
	@$(PIP) -e '.[stack]'
	@touch $@

run: $(READY) ## run the whole pipeline on the sample images (PRESET=quickstart)
	@$(BIN)/schwarz run $(PRESET)

up: .venv/stack ## start the local object store and tracking server; returns when they answer
	@$(BIN)/schwarz stack up

down: $(READY) ## end them; their data stay in .stack/
	@$(BIN)/schwarz stack down

test: $(READY) ## unit, property and pipeline tests
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile tests/unit tests/property tests/pipeline

test-machine: .venv/machine .venv/stack ## the tests that need Docker, servers or a browser
	@$(BIN)/python -m pytest -q tests/machine

check: .venv/machine .venv/stack ## style, types, layers, names in docs/papers.md, commands in README.md
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/unit/test_papers.py tests/unit/test_readme.py

bench: $(READY) ## every benchmark; each line ends in ok or short, one short is a failure
	@status=0; for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name || status=1; done; exit $$status

compile: $(READY) ## write the pipeline for a cluster to train.yaml
	@SCHWARZ_IMAGE=$${SCHWARZ_IMAGE:-$(IMAGE)} $(BIN)/schwarz compile $(PRESET) -o train.yaml

download: $(READY) ## the wheels of the images into .whl, which `make images` does too (TORCH=cpu|cuda, BASE)
	@TORCH_INDEX=$(TORCH_INDEX) $(BIN)/python docker/wheels.py $(TORCH) $(BASE)

images: $(READY) ## build the container images (IMAGES="serve mlflow train", TORCH=cpu|cuda, BASE, TAG=the commit)
	@PYTHON=$(BIN)/python BASE=$(BASE) TORCH=$(TORCH) TAG=$(TAG) TORCH_INDEX=$(TORCH_INDEX) docker/images.sh $(IMAGES)

clean: ## remove caches and builds; runs/, data/ and .venv stay
	@rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist train.yaml
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
