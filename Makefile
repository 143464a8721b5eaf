# Two commands set up everything they need in .venv:
#   make demo   train on a simulated event camera, evaluate, and show the results
#   make test   lint, types, tests, documentation
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
OUT ?= runs/digits_dvs

.PHONY: demo test oracles slow docs lint clean

demo: $(VENV)/.demo
	$(BIN)/neurosim train digits_dvs --out $(OUT) --seeds 0 --resume
	$(BIN)/neurosim evaluate $(OUT) --split test --json $(OUT)/evaluation.json
	@echo "Results: $(OUT)/result.json    Pictures: $(OUT)/*.png"

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"
	$(MAKE) docs

# Brian2 and NEST, in an environment of their own that the first line makes
oracles: $(VENV)/.dev
	$(BIN)/python benchmarks/peers.py simulators
	$(BIN)/python -m pytest -m oracle tests/oracles

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -q -W -b html docs docs/_build

# torch comes first and pinned: a resolver left to itself may take a CUDA build of several gigabytes
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[dev,events,tonic,viz,interop]'
	touch $@

clean:
	rm -rf $(VENV) docs/_build docs/gallery runs
