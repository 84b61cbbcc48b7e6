# run: a KAS and an identity provider · demo: what they do, shown · test, check: what must stay true
PYTHON ?= python3
PORT ?= 8080
IDP_PORT ?= 8081

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run demo test check
.DELETE_ON_ERROR:

run: $(READY)
	@exec $(BIN)/python -m local.run --port $(PORT) --idp-port $(IDP_PORT)

demo: $(READY)
	@PYTHON=$(BIN)/python local/otdf/setup.sh
	@exec $(BIN)/python -m local.demo

test: $(READY)
	@PYTHON=$(BIN)/python tests/interop/setup.sh
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy main.py kas local

$(READY): requirements.txt requirements-dev.txt
	@command -v $(PYTHON) >/dev/null \
		|| { echo "$(PYTHON) is not there: Python 3.11 or later is needed (make PYTHON=…)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is $$($(PYTHON) -V): Python 3.11 or later is needed (make PYTHON=…)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "the venv module is missing (on Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing the pinned requirements into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements.txt -r requirements-dev.txt
	@touch $@
