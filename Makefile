# Two commands on a fresh machine: `make demo` and `make test`.
# `make peers` compares with other programs, `make bench` measures speed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := $(VENV)/.peers

.PHONY: demo test slow peers bench fuzz kill lint clean

demo: $(STAMP)
	$(BIN)/lightframe demo

test: $(STAMP) lint
	HYPOTHESIS_PROFILE=ci $(BIN)/python -m pytest -n auto --dist loadfile

slow: $(STAMP)
	HYPOTHESIS_PROFILE=ci $(BIN)/python -m pytest -m slow

peers: $(PEERS)
	HYPOTHESIS_PROFILE=ci $(BIN)/python -m pytest -n auto --dist loadfile -m peers

# Hostile inputs for every reader; offenders are kept in runs/fuzz.
fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz --inputs 10000

bench: $(PEERS)
	$(BIN)/lightframe bench core

# Kills running commands at random moments; what they end with must be identical.
kill: $(STAMP)
	$(BIN)/python -m tests.kill.driver

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# Installed anew only when the packaging changes; sources are used in place.
$(STAMP): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

# torchonn imports torchvision for data sets that its layers never use: a stand-in takes its place.
$(PEERS): $(STAMP)
	$(BIN)/python -m pip install --quiet tests/peers/torchvision_stand_in
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,peers,torchonn]"
	$(BIN)/python -m pip install --quiet --no-deps mmcv-lite==2.2.0
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps torchonn==0.0.8
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
