# `make demo` and `make test` are all that a new machine needs: Python 3.11 or later, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
# torch spins its threads otherwise, and a second busy process makes it many times slower.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help install demo test test-postgres test-packages quality style bench clean

help:
	@echo "make demo     the whole way on sample photos, offline; leaves $(DEMO)/"
	@echo "make test     formatting, types and tests"
	@echo "make test-postgres  the tests of campaigns once more, on PostgreSQL"
	@echo "make quality  formatting and types only;  make style  mends formatting"
	@echo "make bench    the benchmarks, each beside its peer"

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt deploy/install-debian-packages
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] < (3, 14) else "Python 3.11 to 3.13 is needed, this is %d.%d. Say which: make PYTHON=python3.12" % v[:2])'
	@PYTHON=$(PYTHON) sh deploy/install-debian-packages python3-venv
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the toolkit into $(VENV) (some minutes) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@$(BIN)/editfhf annotate serve --install-only
	@touch $@

demo: install
	@$(BIN)/editfhf demo $(DEMO)

# Two processes, each with one thread for torch. A process that dies ends the run, with the name of the test: in its
# place xdist 3.8 would start another, and then wait for ever.
test: export OMP_NUM_THREADS ?= 1
test: test-packages quality
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder --max-worker-restart 0 -rs

# tests/annotation once more, with the campaign's server on a PostgreSQL that the tests start.
test-postgres: test-packages install
	EDITFHF_TEST_DATABASE=postgresql $(BIN)/python -m pytest tests/annotation -rs

# Chromium, PostgreSQL and nginx: the demo needs none of them.
test-packages:
	@PYTHON=$(PYTHON) sh deploy/install-debian-packages

quality: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

style: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	@for script in flop_counts runner_overhead ledger_scale kill_nine consensus_speed consensus_study; do \
	    echo "== $$script"; $(BIN)/python benchmarks/$$script.py || exit 1; done
	@echo "== refiner_figures (two hours; may be stopped and run again)"
	@$(BIN)/python benchmarks/refiner_figures.py bench
	@echo "== not_an_edit"; $(BIN)/python benchmarks/not_an_edit.py bench/campaign
	@if [ -d $(DEMO) ]; then echo "== editor_order"; $(BIN)/python benchmarks/editor_order.py $(DEMO); fi

clean:
	rm -rf $(VENV) $(DEMO) bench
