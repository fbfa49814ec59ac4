# `make demo` and `make test` work in a fresh clone; both use and keep the environment in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PACKAGES := scc_core workers orchestrator dashboards

.PHONY: demo test lint types unit slow numerics lock clean help

help:
	@echo "make demo      run the demonstration and name its dashboard"
	@echo "make test      lint, types and tests"
	@echo "make slow      the tests that take longer"
	@echo "make numerics  the tests that another rounding could fail, in several arithmetics"
	@echo "make lock      refresh constraints.txt from the lower bounds of pyproject.toml"
	@echo "make clean     remove the environment"

demo: $(READY)
	$(BIN)/sccbench demo

test: lint types unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/pytest -m "not slow" --numprocesses 2 --dist loadfile

slow: $(READY)
	$(BIN)/pytest -m slow

# Other instruction sets, kernels and numbers of threads round otherwise, as other processors do. The last run imitates a
# processor on which the tests' models round by the size of the batch (tests/rounding.py).
numerics: $(READY)
	set -e; for arithmetic in '' 'ATEN_CPU_CAPABILITY=default DNNL_MAX_CPU_ISA=SSE41' 'MKL_CBWR=COMPATIBLE'; do \
	  for threads in 1 2; do \
	    echo "numerics: OMP_NUM_THREADS=$$threads $$arithmetic"; \
	    env OMP_NUM_THREADS=$$threads $$arithmetic $(BIN)/pytest -m numerics --quiet; \
	  done; \
	done
	SCCBENCH_TEST_ROUNDING=16 OMP_NUM_THREADS=1 $(BIN)/pytest -m numerics --quiet

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $(READY)

lock:
	set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(PYTHON) -m venv "$$folder/venv"; \
	"$$folder/venv/bin/python" -m pip install --quiet '.[test]'; \
	{ echo '# The exact versions that the tests passed with; `make lock` writes this file.'; \
	  "$$folder/venv/bin/python" -m pip freeze --exclude scc-bench; } > constraints.txt

clean:
	rm -rf $(VENV)
