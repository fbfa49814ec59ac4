# `make demo` and `make test` each take a fresh clone to their result; both use and keep the environment in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PACKAGES := scc_core workers orchestrator dashboards

.PHONY: demo test lint types unit slow lock clean help

help:
	@echo "make demo    run the demonstration and name its dashboard"
	@echo "make test    lint, types and tests"
	@echo "make slow    the tests that take longer"
	@echo "make lock    refresh constraints.txt from the lower bounds of pyproject.toml"
	@echo "make clean   remove the environment"

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
