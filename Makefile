# Everything that you run in this repository. A fresh Debian or Ubuntu machine needs only python3, make and the network:
# each target does the set-up that it needs.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
# Tests wait for servers more than they compute: two workers, each with its own servers, take half the time.
WORKERS ?= 2
PROMTOOL ?= $(or $(shell command -v promtool),.cache/prometheus/usr/bin/promtool)
# Another version of uv may resolve or write the locks differently.
UV_VERSION := 0.13.9
UV_COMPILE := $(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header --quiet

IMAGE ?= leadmail:latest
PYTHON_IMAGE ?= python:3.13-slim
BUILD_ARGUMENTS = --build-arg PYTHON_IMAGE=$(PYTHON_IMAGE) \
  --build-arg VERSION=$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) \
  --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null) --build-arg CREATED=$(shell date -u +%Y-%m-%dT%H:%M:%SZ)
export DOCKER_BUILDKIT = 1

.DEFAULT_GOAL := help
.PHONY: help setup servers browser demo screenshots test test-long check lint format bench bench-idle backpressure mutants fuzz parse-report image sbom secrets lock clean alerts crash chaos

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Create .venv with the locked packages and the leadmail command

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: Leadmail needs Python 3.11 or later, and $(PYTHON) is $$($(PYTHON) --version 2>&1): run make PYTHON=python3.12 (or later)" >&2; exit 1; }
	@[ -x $(PY) ] || $(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing $$package"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$package >/dev/null; \
	  else \
	    echo "error: $(PYTHON) cannot make virtual environments yet; run: sudo apt-get install $$package" >&2; exit 1; \
	  fi; }
	@[ -x $(PY) ] || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV)"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@# Leadmail itself, editable: .venv/bin/leadmail then works from anywhere. Nothing is downloaded for it.
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	@touch $@

servers: $(READY) ## Install or download what the local servers need: packages (as root) and mongod, or container images
	@$(PY) -m testbed prepare

browser: $(READY) ## Do what servers does, and install the browser (Chromium) in which the console is tested
	@$(PY) -m testbed prepare --browser

demo: servers ## Show the whole system on three sample mailboxes; ONCE=1 exits after the tour
	@$(PY) -m testbed.demo $(if $(filter-out 0,$(ONCE)),--once)

screenshots: browser ## Take the pictures of the documents: the console, and leadmail status
	@$(PY) -m testbed.demo.pictures

test: browser ## Run all tests on real servers; T=path or M=mark selects some, LEADMAIL_HOSTING=processes|containers chooses the servers
	$(PY) -m pytest $(if $(T),$(T),-n $(WORKERS) --dist worksteal) $(if $(M),-m "$(M)")

test-long: browser ## Run every case of what `make test` samples: lying servers, backpressure, made-up companies, hostile mail; T=path selects
	LEADMAIL_LONG=1 $(PY) -m pytest $(or $(T),tests/lying tests/e2e/failures/test_backpressure.py tests/matcher tests/parser/hostile tests/console/browser tests/bench/test_importing.py tests/deploy/test_image.py)

crash: servers ## Kill the stages at every failpoint, and run the model thousands of times; EACH=1: one death per run
	LEADMAIL_LONG=$(if $(filter-out 0,$(EACH)),each,1) $(PY) -m pytest tests/faults/test_crash_points.py tests/faults/test_model.py

check: lint ## Check lint, formatting, types and derived files, and run the tests that need no servers
	$(PY) -m pytest -q -m "not servers"

lint: $(READY) ## Do what check does, except for the tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/vulture
	$(VENV)/bin/deptry .
	$(PY) -m tools.contracts.derived --check
	$(PY) -m tools.contracts.released --check
	$(PY) -m tools.configuration --check
	$(PY) -m tools.commands.document --check
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose/compose.yaml
	$(VENV)/bin/check-jsonschema --check-metaschema schemas/json/*.json
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(PY) -m tools.metrics --check
	@[ ! -x "$(PROMTOOL)" ] || $(MAKE) --no-print-directory alerts

alerts: $(PROMTOOL) ## Check the Prometheus rules and run their tests
	$(PROMTOOL) check config deploy/prometheus/prometheus.yml
	$(PROMTOOL) test rules deploy/prometheus/tests/*.yaml

# Extracted from its package, not installed: that would start a Prometheus here.
.cache/prometheus/usr/bin/promtool:
	@command -v apt-get >/dev/null && command -v dpkg >/dev/null || { \
	  echo "error: promtool is missing: install Prometheus, or run make alerts PROMTOOL=path" >&2; exit 1; }
	@echo "extracting promtool from the distribution's package"
	@[ "$$(id -u)" != 0 ] || apt-get update -qq
	@rm -rf .cache/prometheus && mkdir -p .cache/prometheus
	@cd .cache/prometheus && chmod 777 . && apt-get download -qq prometheus && dpkg -x prometheus_*.deb . && rm prometheus_*.deb && chmod 755 .

format: $(READY) ## Format the code
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: servers ## Measure a backfill of 20,000 messages; writes bench/results.json
	$(PY) -m testbed.bench

bench-idle: servers ## Measure ACCOUNTS=500 mailboxes at rest on POLLERS=1 pollers; with several, one dies
	$(PY) -m testbed.bench.idle --accounts $(or $(ACCOUNTS),500) --pollers $(or $(POLLERS),1)

chaos: servers ## Inject random faults into a whole deployment for MINUTES=3, and check that nothing was lost; SEED=n repeats a run
	$(PY) -m testbed.chaos --minutes $(or $(MINUTES),3) $(if $(SEED),--seed $(SEED)) $(if $(SCENARIO),--scenario $(SCENARIO))

backpressure: servers ## Measure memory and live mail while no parser handles a backfill of 50,000 messages
	LEADMAIL_LONG=1 $(PY) -m pytest -q -s tests/e2e/failures/test_backpressure.py

image: ## Build the container image; IMAGE=name:tag, PYTHON_IMAGE=base
	docker build --tag $(IMAGE) --file deploy/docker/leadmail/Dockerfile $(BUILD_ARGUMENTS) .

sbom: ## List the image's packages (CycloneDX) in dist/leadmail.cdx.json
	docker build --target sbom --output dist --file deploy/docker/leadmail/Dockerfile $(BUILD_ARGUMENTS) .

secrets: ## Create the missing secrets of a deployment; SMTP_URL=the server that sends confirmations, SECRETS=folder
	@$(PYTHON) deploy/compose/make_secrets.py $(if $(SECRETS),--folder '$(SECRETS)') $(if $(SMTP_URL),--smtp-url '$(SMTP_URL)')

mutants: servers ## Break the sharing rule, the bus and the poller's claim, one change at a time: the tests must notice each
	@$(PY) -m testbed.mutants

fuzz: $(READY) ## Fuzz all that reads mail and servers' answers for MINUTES=7; inputs that fail are in fuzz-findings/; WRITE=1 puts the table into docs/parsing.md
	$(PY) -m tests.fuzz --minutes $(or $(MINUTES),7) $(if $(SEED),--seed $(SEED)) $(if $(TARGET),--target $(TARGET)) $(if $(WRITE),--write)

parse-report: $(READY) ## Compare the parser with others on the corpus of real mail; CORPUS=dir if its folder is not ../shared
	@$(if $(CORPUS),LEADMAIL_SHARED=$(CORPUS)) $(PY) -m testbed.parsing

lock: $(READY) ## Update the lock files from pyproject.toml
	$(PY) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(UV_COMPILE) pyproject.toml -o requirements.lock
	$(UV_COMPILE) pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock
	@# What builds the image, lists its packages, and is added to it for the demo.
	echo hatchling | $(UV_COMPILE) - -c requirements-dev.lock -o deploy/docker/leadmail/build.lock
	echo cyclonedx-bom | $(UV_COMPILE) - -o deploy/docker/leadmail/sbom.lock
	echo aiosmtpd | $(UV_COMPILE) - -c requirements-dev.lock -o deploy/docker/leadmail/demo.lock

clean: ## Delete what these targets created: .venv, downloads, caches
	rm -rf $(VENV) .cache .make .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
