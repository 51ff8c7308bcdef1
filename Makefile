# What developers type. `make help` lists it; CONTRIBUTING.md says when to use what.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Arguments for pytest or the bench: make test ARGS="-k session -x"
ARGS ?=
# Processes that run tests: many wait, for a deadline or a server, so one more than there are cores.
TEST_PROCESSES ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 1)

PIP_INSTALL = .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
	--only-binary :all: --require-hashes
PIP_COMPILE = CUSTOM_COMPILE_COMMAND="make requirements" .venv-requirements/bin/python -m piptools compile \
	--quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-options \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links
# Both decide what a compiled file looks like.
PIP_TOOLS = pip==26.3 pip-tools==7.6.2

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint format bench faults screenshots requirements programs clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# This machine only, whatever HOST says in the environment: some shells and package managers set it
# to something else. `make run HOST=0.0.0.0` opens it on purpose.
run: export HOST = 127.0.0.1
run: export UNKNOWN_CHARGE_POINTS ?= open
run: export UNKNOWN_ID_TAGS ?= open
run: export API_WITHOUT_KEY ?= 1
run: .venv/run.stamp ## serve on http://localhost:8081 (PORT=), this machine only, open policy
	@.venv/bin/python -m flask --app wsgi db upgrade
	@.venv/bin/python -m flask --app wsgi api-key create admin --role admin --if-none
	@exec .venv/bin/python -m gunicorn -c config/gunicorn.py wsgi:app

test: .venv/test.stamp programs ## run the tests on SQLite and PostgreSQL (ARGS= goes to pytest)
	@.venv/bin/python -m pytest -n $(TEST_PROCESSES) --dist worksteal $(ARGS)

lint: .venv/test.stamp ## check style, types, and for known vulnerabilities
	@.venv/bin/python -m ruff check --quiet .
	@.venv/bin/python -m ruff format --quiet --check . || { echo "Run 'make format'."; exit 1; }
	@.venv/bin/python -m mypy --no-error-summary
	@.venv/bin/python -m bandit --quiet --configfile pyproject.toml \
		--confidence-level medium --recursive config ocpp_cs wsgi.py
	@echo "ruff, mypy and bandit: clean"
	@.venv/bin/python -m tests.vulnerabilities

format: .venv/test.stamp ## put the code in order, and the tables of settings and columns into the documents
	@.venv/bin/python -m ruff check --quiet --fix-only .
	@.venv/bin/python -m ruff format .
	@.venv/bin/python -m config.reference
	@.venv/bin/python -m ocpp_cs.export.reference

bench: .venv/test.stamp ## measure throughput and latency (ARGS= goes to the bench)
	@.venv/bin/python -m benchmarks $(ARGS)

faults: .venv/test.stamp ## kill, crash, cut and fill up, and look for what was lost (ARGS= goes to the runs)
	@.venv/bin/python -m tests.faults $(ARGS)

screenshots: .venv/test.stamp programs ## take pictures of every page of the console, into docs/screenshots
	@.venv/bin/python -m tests.console.screenshots

requirements: ## compile requirements.in and tests/requirements.in with hashes
	@test -x .venv-requirements/bin/python || $(PYTHON) -m venv .venv-requirements
	@.venv-requirements/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_TOOLS)
	@$(PIP_COMPILE) --output-file requirements.txt requirements.in
	@$(PIP_COMPILE) --output-file tests/requirements.txt tests/requirements.in

# The tests need PostgreSQL's programs, a browser, what the documents type, and who checks files of
# theirs. As root, for instance in CI, they are installed from the distribution (RUNLEVEL: and not
# started); elsewhere the tests say what is missing.
programs: .venv/test.stamp
	@if ! { .venv/bin/python -m tests.servers && .venv/bin/python -m tests.browser \
			&& command -v curl && command -v sqlite3 && command -v openssl; } >/dev/null \
			&& [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing PostgreSQL, Chromium, curl, sqlite3 and openssl from the distribution's packages ..."; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
			apt-get -qq -y --no-install-recommends install \
			postgresql chromium chromium-driver curl sqlite3 openssl >/dev/null; \
	fi
	@if ! { command -v nginx && command -v caddy && command -v systemd-analyze; } >/dev/null \
			&& [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing nginx, Caddy and systemd from the distribution's packages ..."; \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
			apt-get -qq -y --no-install-recommends install nginx caddy systemd >/dev/null; } \
			|| echo "They could not be installed: tests of their files in docs/deploy.md say so."; \
	fi

clean: ## remove what make and the tools made; the server's data/ stays
	@rm -rf .venv .venv-requirements .mypy_cache .pytest_cache .ruff_cache .hypothesis htmlcov .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, as python3.11 or python3."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Another one: make PYTHON=..."; exit 1; }
	@echo "Creating .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

# A stamp is newer than everything it was made of, so that a second `make run` installs nothing.
.venv/run.stamp: requirements.txt | .venv/bin/python
	@echo "Installing the packages of requirements.txt ..."
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

.venv/test.stamp: tests/requirements.txt .venv/run.stamp
	@echo "Installing the packages of tests/requirements.txt ..."
	@$(PIP_INSTALL) -r requirements.txt -r tests/requirements.txt
	@touch $@
