# Everything is one of these commands; `make` lists them. Nothing is installed outside .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CHECKOV := $(VENV)/checkov
CHECKOV_INSTALLED := $(CHECKOV)/.installed
CODE := $(wildcard layers functions local cli tests)
PYTEST_OPTIONS ?=
UNIT_WORKERS ?= 2
SEEDS ?= 10000
FIRST ?= 0

# Without bytecode, every worker of the local Lambda would compile its packages at each cold start.
unexport PYTHONDONTWRITEBYTECODE
# A stranger's packages must not hide that one of ours is missing.
unexport PYTHONPATH
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= eu-central-1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo up down configure build adopt deploy test test-fast test-e2e simulate simulate-mutants screenshots bench lint format lock wheel release-files clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## install what is needed into .venv (PYTHON=python3.12 chooses the interpreter)
	@$(BIN)/python -c 'import sys; print(f"$(VENV) is ready: Python {sys.version.split()[0]}")'

# The pins are complete, so pip is told not to resolve anything; `pip check` says if they do not fit together.
$(INSTALLED): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is too old: Python 3.11 or newer is needed (make setup PYTHON=python3.12)" >&2; exit 1; }
	@echo "installing into $(VENV); this takes a minute or two, once"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check -qq --disable-pip-version-check
	@touch $@

# checkov pins another boto3 than SAM does, so it has an environment of its own.
$(CHECKOV_INSTALLED): requirements/checkov.txt $(INSTALLED)
	@echo "installing checkov into $(CHECKOV); this takes a minute, once"
	@$(BIN)/python -m venv --clear $(CHECKOV)
	@$(CHECKOV)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes \
		-r requirements/checkov.txt
	@touch $@

demo: $(INSTALLED) ## run the main job from nothing on sample files and show what came out
	@$(BIN)/python -m local.demo

up: $(INSTALLED) ## start the local stack and leave it running (GAMEBALL_BASE_URL=… for another Gameball)
	@$(BIN)/python -m local.lifecycle up

down: $(INSTALLED) ## stop what `make up` started
	@$(BIN)/python -m local.lifecycle down

BUILD_OPTIONS ?=
DEPLOY_OPTIONS ?=
DEPLOYMENT = $(BIN)/python -m local.deployment "$(ENV)" --build-options="$(BUILD_OPTIONS)"

configure: $(INSTALLED) ## ask six questions before the first deployment: ENV=dev or prod of samconfig.toml
	@$(BIN)/python -m local.configure "$(ENV)"

build: $(INSTALLED) ## build for AWS, add bytecode and check the build: ENV=dev or prod of samconfig.toml
	@$(DEPLOYMENT) --build-only

adopt: $(INSTALLED) ## make a deleted stack again from what it left behind: ENV=dev or prod (TABLE=… BUCKET=…)
	@$(BIN)/python -m local.adoption "$(ENV)" --table "$(TABLE)" --bucket "$(BUCKET)"

deploy: $(INSTALLED) ## build, add bytecode, check, and deploy to AWS: ENV=dev or prod of samconfig.toml
	@$(DEPLOYMENT) --deploy-options="$(DEPLOY_OPTIONS)"

test: lint test-fast test-e2e ## check everything: lint, then all tests

# The seeds take both processors anyhow; beside other tests nobody could tell how long they take.
SEEDS_TEST := tests/simulation/test_seeds.py

test-fast: $(INSTALLED) ## only the tests that need no stack
	@$(BIN)/python -m pytest $(SEEDS_TEST) $(PYTEST_OPTIONS)
	@$(BIN)/python -m pytest --ignore tests/e2e --ignore $(SEEDS_TEST) -n $(UNIT_WORKERS) $(PYTEST_OPTIONS)

test-e2e: $(INSTALLED) ## only the tests against the deployed local stack
	@$(BIN)/python -m pytest tests/e2e $(PYTEST_OPTIONS)

screenshots: $(INSTALLED) ## take the pictures of console and report for docs/operations.md anew
	@PYTHONPATH=layers/adjustments $(BIN)/python -m tests.screenshots

simulate: $(INSTALLED) ## run SEEDS=n simulated lives of batches from FIRST=m (default 10000 from 0), or SEED=n with its trace
	@PYTHONPATH=layers/adjustments $(BIN)/python -m tests.simulation \
		$(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST)) \
		$(if $(NIGHT),--night "$(NIGHT)") $(if $(SUMMARY),--summary "$(SUMMARY)")

simulate-mutants: $(INSTALLED) ## plant bugs one by one, and show which check of the simulation catches each
	@PYTHONPATH=layers/adjustments $(BIN)/python -m tests.simulation.mutants

bench: $(INSTALLED) ## measure against rivals and write docs/benchmarks.md (PARTS="planning cold" for some parts)
	@PYTHONPATH=layers/adjustments $(BIN)/python -m tests.bench $(PARTS)

lint: $(INSTALLED) $(CHECKOV_INSTALLED) ## ruff, mypy in strict mode, cfn-lint (all regions, policies too), sam validate, checkov
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/mypy $(CODE)
	@$(BIN)/cfn-lint --include-checks I3510 --regions ALL_REGIONS -- template.yaml
	@$(BIN)/python -m local.sam
	@$(CHECKOV)/bin/checkov --file template.yaml --framework cloudformation --skip-download --quiet --compact

format: $(INSTALLED) ## put the code into the house's format
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

# No index address may get into the pins: every machine brings its own.
PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe \
	--strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links

lock: $(INSTALLED) ## pin anew after a change of requirements/*.in (takes minutes: it hashes every file)
	@$(PIP_COMPILE) --output-file layers/adjustments/requirements.txt requirements/layer.in
	@$(PIP_COMPILE) --output-file requirements/dev.txt requirements/dev.in
	@$(PIP_COMPILE) --output-file requirements/checkov.txt requirements/checkov.in

wheel: $(INSTALLED) ## build the operator's command as a package (dist/*.whl), for pipx on other machines
	@rm -rf build dist
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@rm -rf build
	@ls dist/*.whl

release-files: $(INSTALLED) ## make a release's files from the last commit: source, wheel, SBOM, checksums, notes (dist/)
	@$(BIN)/python -m local.release --tag "$(TAG)"

clean: ## remove what was built, installed and left behind
	@if [ -x $(BIN)/python ] && [ -d .local ]; then $(MAKE) --no-print-directory down; fi
	@rm -rf $(VENV) *.egg-info build dist .aws-sam .local .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
