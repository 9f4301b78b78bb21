# What a checkout needs is installed below .venv and .poetry by whatever target is asked for first; nothing else is touched.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
POETRY_VERSION := 2.5.1
POETRY_MIRROR_VERSION := 0.6.5
POETRY_READY := .poetry/venv/poetry-$(POETRY_VERSION)-mirror-$(POETRY_MIRROR_VERSION).stamp
READY := .venv/.setup-stamp
RUN := .venv/bin/python
SEED := $(or $(SEED),$(shell date +%s))
POETRY := .poetry/venv/bin/python -m poetry

# Modules that only compute: every line and branch of them is tested.
PURE := reconciliation/comparison.py,reconciliation/trust.py,reconciliation/rules.py,reconciliation/cases.py,reconciliation/receipts.py,reconciliation/chain.py,reconciliation/quality/*.py,reconciliation/gaps.py,reconciliation/outcomes.py,reconciliation/clawback.py,platforms/links/*.py,platforms/metrics.py,platforms/breaker.py,platforms/budget.py,platforms/health.py,reconciliation/sentences.py,affiliates/keys.py,affiliates/signing.py,campaigns/naming.py,campaigns/rates.py,campaigns/landing.py,campaigns/attribution.py,campaigns/plans.py,reconciliation/urgency.py,reconciliation/forecasting.py

export POETRY_CACHE_DIR := $(CURDIR)/.poetry/cache
export POETRY_CONFIG_DIR := $(CURDIR)/.poetry/config
export POETRY_DATA_DIR := $(CURDIR)/.poetry/data
export POETRY_VIRTUALENVS_IN_PROJECT := true
export POETRY_VIRTUALENVS_CREATE := true
export POETRY_NO_INTERACTION := 1
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

# Poetry knows nothing of pip's settings: it gets the system's certificates and the index that pip would use.
CERTIFICATES := $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem))
ifneq ($(CERTIFICATES),)
export SSL_CERT_FILE ?= $(CERTIFICATES)
export REQUESTS_CA_BUNDLE ?= $(CERTIFICATES)
endif
PIP_DEFAULT_INDEX := .poetry/venv/bin/python -c "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
PIP_INDEX := .poetry/venv/bin/python -m pip config get global.index-url 2>/dev/null || $(PIP_DEFAULT_INDEX)
WITH_INDEX := POETRY_PYPI_MIRROR_URL="$${POETRY_PYPI_MIRROR_URL:-$${PIP_INDEX_URL:-$$($(PIP_INDEX))}}"

# A server ends when make does, however make ends; where the system can't promise that, it still gets make's signals.
define serve
@if command -v setpriv >/dev/null; then exec setpriv --pdeathsig TERM -- $(RUN) manage.py $(1); else exec $(RUN) manage.py $(1); fi
endef

.PHONY: help setup lock demo run worker test test-browser test-long chaos picture bench lint format

help: ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name what; do printf '%-18s %s\n' "$$name" "$$what"; done

setup: $(READY) ## Install what the project needs into .venv

$(POETRY_READY):
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 setup")'
	$(PYTHON) -m venv --clear .poetry/venv
	.poetry/venv/bin/python -m pip install --quiet --disable-pip-version-check \
		poetry==$(POETRY_VERSION) poetry-plugin-pypi-mirror==$(POETRY_MIRROR_VERSION) </dev/null
	touch $@

$(READY): poetry.lock pyproject.toml $(POETRY_READY)
	$(WITH_INDEX) $(POETRY) sync --no-root --no-ansi </dev/null
	touch $@

lock: $(POETRY_READY) ## Write poetry.lock anew from pyproject.toml
	$(WITH_INDEX) $(POETRY) lock --no-ansi </dev/null

demo: $(READY) ## Run everything with sample data: PORT=8000, ONCE=1 to end when it is ready
	$(call serve,demo $(if $(ONCE),--once) $(if $(PORT),--port $(PORT)))

run: $(READY) ## Run the web alone
	$(call serve,web)

worker: $(READY) ## Run the workers alone
	$(call serve,worker)

test: $(READY) ## Run the tests that need no browser, and hold them to their coverage
	$(RUN) -m pytest -m "not browser and not long and not chaos" -n 2 --cov --cov-report=term --cov-fail-under=90
	$(RUN) -m coverage report --include=$(PURE) --fail-under=100

test-browser: $(READY) ## Run the tests in Chromium
	@command -v chromium >/dev/null || { echo "Chromium isn't installed. On Debian: apt-get install -y chromium" >&2; exit 1; }
	$(RUN) -m pytest -m browser

test-long: $(READY) ## Run the tests that take minutes
	$(RUN) -m pytest -m long

chaos: $(READY) ## Kill processes, fail calls and restart the database at length: SEED=1 takes the same course again
	@echo "SEED=$(SEED)"
	CHAOS_SEED=$(SEED) $(RUN) -m pytest tests/chaos -m chaos -v -s -p no:randomly -p no:logging --hypothesis-seed=$(SEED)

picture: $(READY) ## Make the README's picture anew, from a demo that is serving
	$(RUN) -m tests.browser.picture

bench: $(READY) ## Measure against the rivals, and write docs/benchmarks.md: FULL=1 for the sizes of the goals
	$(RUN) -m tests.bench $(if $(FULL),--full)

lint: $(READY) ## Check style, types, templates, migrations and settings
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy .
	$(RUN) -m djlint --quiet --lint templates
	$(RUN) manage.py makemigrations --check --dry-run
	$(RUN) manage.py check

format: $(READY) ## Put the code into its form
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .
