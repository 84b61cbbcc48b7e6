# run: a KAS and an identity provider, or a pair for each of several nations (NATIONS=usa,fra,gbr) · demo,
# demo-federation: what they do, shown · test, check: what must stay true · test-deploy: the rest of deploy.sh, what it uploads
# test-clients: with the published clients
# contract: the document against the service, at length · attacks: each attack on every route of OpenTDF, not in turn
# bench, soak: what of the processor a rewrap takes, and whether that goes on for long (SECONDS) · bench-cold, bench-kms,
# bench-federation, bench-memory: what a start, Cloud KMS and forwarding cost, and how much memory the worst needs;
# bench-scale: several instances behind nginx on each store; figures in build/ and docs/performance.md
# test-bench: the measurements themselves, in small
# deploy-rehearsal: the real gcloud deploys into a project that is not there, as the guide says
# fuzz: odd inputs for SECONDS at each of TARGETS (all) · mutants: which changes of the code no unit test notices
# audit: code, advisories and parts of what is deployed; build/audit/
PYTHON ?= python3
# with NATIONS the first of two ports for each: KAS, identity provider
PORT ?= 8080
IDP_PORT ?= 8081
# run, demo: software, or kms (on a stand-in for Google Cloud)
KEYS ?= software
GOOGLE_PORT ?= 8090
GOOGLE_RPC_PORT ?= 8091
# run: several KASes, as in usa,fra,gbr
NATIONS ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SECONDS ?= 600
TARGETS ?=

# What decides who gets a key: every line and branch of it is tested.
DECIDING := kas/auth/access_token.py,kas/auth/authenticator.py,kas/auth/dpop.py,kas/auth/nonce.py,$\
	kas/crypto/binding.py,kas/crypto/metadata.py,kas/crypto/signatures.py,kas/crypto/splits.py,kas/crypto/wrapping.py,$\
	kas/federation/agreement.py,kas/federation/assertion.py,kas/jose.py,kas/jwa.py,kas/opa/answer.py,$\
	kas/policy/attribute_decision.py,kas/policy/attributes.py,kas/policy/clearances.py,kas/policy/decision.py,$\
	kas/policy/dissem.py,kas/policy/entitlements.py,kas/policy/labels.py,kas/policy/rules.py,$\
	kas/policy/standing.py,kas/policy/subject.py,kas/policy/view.py,kas/protocol/request_token.py

# The tests in parts, the long ones first; three at a time, since some wait more than they work. Where tests run lines of this
# project themselves these are counted, by rules of their own and in the folders of MEASURED; the others talk to processes.
# Of deploy.sh, `test` has a failure at each step, `test-deploy` the rest.
PARTS := inside kms local host failures attacks regressions state opentdf contract federation
MEASURED := kms host state federation
ELSEWHERE := $(addprefix tests/,$(addsuffix /,bench deploy interop google package rehearsal __pycache__ $(filter-out inside,$(PARTS))))
INSIDE = tests/test_*.py $(filter-out $(ELSEWHERE),$(wildcard tests/*/))
GUIDE := tests/rehearsal/test_guide.py
FAILURES := tests/deploy/test_deploy_failures.py

.PHONY: run demo demo-federation test test-deploy test-clients test-bench check contract attacks bench soak bench-cold \
	bench-kms bench-federation bench-memory bench-scale deploy-rehearsal fuzz mutants audit
.DELETE_ON_ERROR:

run: $(READY)
	@exec $(BIN)/python -m local.run --port $(PORT) --idp-port $(IDP_PORT) --keys $(KEYS) \
		--google-port $(GOOGLE_PORT) --google-rpc-port $(GOOGLE_RPC_PORT) $(if $(NATIONS),--nations $(NATIONS))

demo: $(READY)
	@PYTHON=$(BIN)/python local/otdf/setup.sh
	@exec $(BIN)/python -m local.demo --keys $(KEYS)

demo-federation: $(READY)
	@exec $(BIN)/python -m local.demo_federation

test: $(READY)
	@PYTHON=$(BIN)/python local/otdf/setup.sh
	@tests/policy_backends/setup.sh
	@tests/state/setup.sh
	$(BIN)/coverage erase
	@echo "Parts side by side; each shows when it has ended, after some minutes."
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target $(addprefix part-,$(PARTS))
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/coverage report --fail-under=100 --include=$(DECIDING)

part-inside:
	$(BIN)/coverage run --parallel-mode -m pytest $(INSIDE)

# The processes that these start are measured as well.
part-local:
	$(BIN)/coverage run --rcfile=tests/local/coverage.toml -m pytest tests/google tests/local

part-failures:
	$(BIN)/python -m pytest $(FAILURES)

part-deploy:
	$(BIN)/python -m pytest tests/deploy --ignore=$(FAILURES)

$(addprefix part-,$(MEASURED)): part-%:
	$(BIN)/coverage run --parallel-mode -m pytest tests/$*

part-%:
	$(BIN)/python -m pytest tests/$*

bench: $(READY)
	$(BIN)/python -m bench.speed

# 1800 unless SECONDS is given: it has another default above.
soak: SECONDS := $(if $(filter file,$(origin SECONDS)),1800,$(SECONDS))
soak: $(READY)
	$(BIN)/python -m bench.soak --seconds $(SECONDS)

bench-cold: $(READY)
	$(BIN)/python -m bench.cold

bench-kms: $(READY)
	$(BIN)/python -m bench.kms

bench-federation: $(READY)
	$(BIN)/python -m bench.federation

bench-memory: $(READY)
	$(BIN)/python -m bench.peak

bench-scale: $(READY)
	@tests/state/setup.sh
	@bench/setup.sh
	$(BIN)/python -m bench.scale

test-deploy: $(READY)
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target part-deploy part-package

test-clients: $(READY)
	@PYTHON=$(BIN)/python tests/interop/setup.sh
	$(BIN)/python -m pytest tests/interop

test-bench: $(READY)
	@bench/setup.sh
	$(BIN)/python -m pytest tests/bench

deploy-rehearsal: $(READY)
	@echo "Two halves side by side; each shows when it has ended, after some minutes."
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target rehearse-guide rehearse-others

rehearse-guide:
	$(BIN)/python -m pytest --verbose $(GUIDE)

rehearse-others:
	$(BIN)/python -m pytest --verbose $(filter-out $(GUIDE),$(wildcard tests/rehearsal/test_*.py))

contract: $(READY)
	CONTRACT_EXAMPLES=200 $(BIN)/python -m pytest tests/contract

attacks: $(READY)
	EVERY_ROUTE=1 $(BIN)/python -m pytest tests/opentdf

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy main.py kas local bench deploy

fuzz:
	@PYTHON=$(PYTHON) tests/fuzz/setup.sh
	@SECONDS_EACH=$(SECONDS) tests/fuzz/run.sh $(TARGETS)

mutants:
	@PYTHON=$(PYTHON) tests/mutants/run.sh

audit:
	@PYTHON=$(PYTHON) tests/audit/setup.sh
	@tests/audit/run.sh

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
