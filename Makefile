# Two commands do everything on a fresh machine with Python 3.11+ and make: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
WORKERS ?= 2
BENCH_VENV ?= .venv-bench
PEERS_VENV ?= .venv-peers
BENCH_RESULTS ?= benchmarks/results/$(shell date +%F).jsonl
CASES ?=
BENCH_OPTIONS ?=
KINDS ?=
RUNS ?= 200
MUTANTS ?= 10000

.DEFAULT_GOAL := help
.PHONY: help demo test peers bench coverage lab mutants figures lint clean

help:  ## show the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(VENV)/stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(VENV)/stamp  ## the main job on embedded real data: train, write to memory, how good must the device be?
	$(BIN)/ship demo

test: $(VENV)/stamp  ## the test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

# What cannot be installed is left out: its tests skip, and say so.
$(PEERS_VENV)/stamp: tests/peers/requirements.txt | $(VENV)/stamp
	$(PYTHON) -m venv $(PEERS_VENV)
	$(PEERS_VENV)/bin/python -m pip install -r $< || echo "Brian2 cannot be installed here: its tests skip"
	$(BIN)/python -m pip install -c constraints.txt -e ".[peers]" || echo "NEST cannot be installed here: its tests skip"
	@touch $@

peers: $(PEERS_VENV)/stamp  ## the comparisons with NEST and Brian2; installs them, Brian2 into an environment of its own
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m peer

# One by one where all at once does not work: what cannot be installed is reported in the results.
$(BENCH_VENV)/stamp: benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -r $< || \
	  grep -v '^#' $< | while read -r wanted; do \
	    $(BENCH_VENV)/bin/python -m pip install "$$wanted" || echo "cannot be installed: $$wanted"; \
	  done
	@touch $@

bench: $(VENV)/stamp $(BENCH_VENV)/stamp  ## speed and memory beside other simulators, and the table of the README
	$(BIN)/ship bench $(CASES) --peers $(BENCH_VENV)/bin/python --out $(BENCH_RESULTS) $(BENCH_OPTIONS)
	$(BIN)/python -m ship.cli.bench.table $(BENCH_RESULTS) README.md

coverage: $(VENV)/stamp  ## how often the 95 % intervals of fits hold the truth, on known devices (an hour)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/coverage_table.py $(KINDS) --runs $(RUNS) --workers $(WORKERS)

lab: $(VENV)/stamp  ## published measurement files (SHIP_DATA=FOLDER, in its lab/): what is found in each, beside what is right
	OMP_NUM_THREADS=1 PYTHONPATH=tests/helpers $(BIN)/python tests/helpers/lab.py

mutants: $(VENV)/stamp  ## 10,000 damaged measurement files: a right reading, or an error that can be read (some minutes)
	OMP_NUM_THREADS=1 PYTHONPATH=tests/helpers $(BIN)/python benchmarks/mutants.py --mutants $(MUTANTS)

figures: $(VENV)/stamp  ## the figures of the documents, drawn anew by the blocks of their pages
	OMP_NUM_THREADS=2 PYTHONPATH=tests/helpers $(BIN)/python tests/helpers/page_figures.py

lint: $(VENV)/stamp  ## style and types
	$(BIN)/ruff check src tests examples benchmarks
	$(BIN)/ruff format --check src tests examples benchmarks
	$(BIN)/mypy

clean:  ## remove what these commands made
	rm -rf $(VENV) $(BENCH_VENV) $(PEERS_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-output
