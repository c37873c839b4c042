# The whole product by name. `make run` is enough to see it; `make help` lists the rest.

PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && { echo $$p; break; }; done)
ifeq ($(PYTHON),)
$(error Python 3.11 or newer is needed and none was found: install python3 (Debian 12, Ubuntu 24.04 or newer have it), then run this again)
endif

SETUP := $(PYTHON) -B -m setup
RUN := .venv/bin/python
# Keeps the test database up meanwhile, and stops it whatever becomes of the tests.
HOLD := $(RUN) -m app.postgres hold test
ARGS ?=
export PYTEST_DEBUG_TEMPROOT := $(CURDIR)/.data/tmp

.SILENT:
.DEFAULT_GOAL := help
.PHONY: help setup run jobs web test check format migrate openapi contract bench race outage lock clean

help: ## list these targets
	sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

setup: ## set up all that serving needs: Python packages, PostGIS, pages
	$(SETUP) run

run: setup ## serve the demo district and its scheduler on http://127.0.0.1:8000
	exec $(RUN) -m app run $(ARGS)

jobs: setup ## run the scheduler alone
	exec $(RUN) -m app jobs $(ARGS)

web: ## build the pages into app/static
	$(SETUP) pages

test: ## set up what is missing and run all tests (ARGS goes to pytest)
	$(SETUP) test
	exec $(HOLD) $(RUN) -m pytest -n 2 --dist loadgroup $(ARGS)

check: ## lint, formatting, types and the order of the layers, of Python and of the pages
	$(SETUP) check
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	PYTHONPATH=. .venv/bin/lint-imports
	$(SETUP) npm run check

format: ## mend formatting and what ruff can mend
	$(SETUP) check
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

migrate: setup ## bring the database up to the newest migration
	exec $(RUN) -m app migrate $(ARGS)

openapi: setup ## write openapi/openapi.json
	$(RUN) -m app openapi $(ARGS)

contract: ## fuzz the API against its contract, on a server with seeded ids
	$(SETUP) test
	CONTRACT_EXAMPLES=100 exec $(HOLD) $(RUN) -m pytest tests/test_contract.py $(ARGS)

bench: ## measure (SIZE=district or country, ONLY=P1,P7): see bench/README.md
	$(SETUP) bench
	exec $(RUN) -m bench --size $(or $(SIZE),district) $(if $(ONLY),--only $(ONLY)) $(ARGS)

race: ## play 10,000 histories at once against 3 servers and judge them: see race/README.md
	$(SETUP) check
	exec $(RUN) -m race $(ARGS)

outage: ## send 20,000 letters while workers are killed, and judge: see outage/README.md
	$(SETUP) check
	exec $(RUN) -m outage $(ARGS)

lock: ## lock the Python packages anew (UPGRADE=1: to the newest)
	$(SETUP) lock

clean: ## remove all that was made here, the demo's database too
	$(SETUP) clean
