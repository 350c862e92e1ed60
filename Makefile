# Each target sets a fresh machine up by itself: a virtual environment in .venv, from the package index alone.
#   make demo   installs the core (no torch) and measures the packaged sample
#   make test   installs everything the tests need and runs them
#   make lint   format, lint, types, layers
#   make wheel  builds the wheel and uses it from another folder
#   make bench  timings against the floor and the best peers, into benchmarks/results/

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# one process for each core, one thread in each; the tests of a file stay together, since they share what they set up
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

.PHONY: demo test test-all lint format wheel bench clean

demo: .venv/core
	$(BIN)/crossgap demo

test: .venv/test
	$(TESTS) -m "not slow"

test-all: .venv/test
	$(TESTS)

lint: .venv/lint
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports

format: .venv/lint
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

wheel: .venv/core
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w dist .
	$(BIN)/python scripts/check_wheel.py dist

bench: .venv/bench
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf .venv dist

.venv/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "crossgap needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	touch $@

.venv/core: .venv/python pyproject.toml constraints.txt
	$(PIP) -e .
	touch $@

.venv/test: .venv/core
	$(PIP) -e ".[caption,encode,faiss,java-metrics,lancedb,onnx,pictures,qdrant,topology,torch,umap]" --group test
	touch $@

.venv/lint: .venv/test
	$(PIP) --group lint
	touch $@

.venv/bench: .venv/test
	$(PIP) -e ".[bench]"
	$(PIP) --no-deps open_clip_torch==3.3.0  # only its file of losses is read; with its requirements it would pull torchvision
	touch $@
