# Two commands matter: `make demo` and `make test`. Both set up everything they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORT ?= 8000
SESSIONS ?=
ZONE ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test bench lint format ci constraints clean

help: ## Show what can be done
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(STAMP) ## Install and migrate, nothing else
	$(BIN)/python manage.py migrate --verbosity 0

demo: $(STAMP) ## Play one congested evening; SESSIONS=file.csv.gz plays real sessions
	$(BIN)/python manage.py demo $(if $(SESSIONS),--sessions '$(SESSIONS)') $(if $(ZONE),--zone '$(ZONE)')

serve: $(STAMP) ## Keep everything running to click through; PORT=8000
	$(BIN)/python manage.py serve --port $(PORT)

test: $(STAMP) ## Run the whole suite
	$(BIN)/python -m pytest -n 2 --dist loadgroup

bench: $(STAMP) ## Measure speed side by side with a floor or a peer
	$(BIN)/python -m tests.benchmarks

lint: $(STAMP) ## Run every gate but the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/mypy --config-file mock_gopacs/mypy.ini mock_gopacs
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m mock_gopacs makemigrations --check --dry-run
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file var/openapi.yaml
	diff -u openapi.yaml var/openapi.yaml

format: $(STAMP) ## Put the code in its standard shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ci: lint test ## What the CI runs

constraints: ## Write down the versions that are installed now
	$(BIN)/python -m pip freeze --exclude-editable --exclude aggregator | grep -vE '^(pip|setuptools|wheel)==' > constraints.txt

clean: ## Remove what a run leaves behind
	rm -rf var
