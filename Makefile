# Two commands: `make quickstart` and `make test`. PYTHON names the interpreter that .venv is made with (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: quickstart test paper clean

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	touch $@

quickstart: $(VENV)/.installed
	$(BIN)/moo-fs run studies/quickstart.toml --workers 2
	$(BIN)/moo-fs report studies/quickstart.toml

test: $(VENV)/.tested
	$(BIN)/ruff format --check moo_fs tests
	$(BIN)/ruff check moo_fs tests
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

paper: $(VENV)/.installed
	$(BIN)/moo-fs paper --pdf

clean:
	rm -rf $(VENV) results/quickstart
