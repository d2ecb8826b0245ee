PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= .
FLEET ?= 20
PYTEST_ARGS ?=
CHAOS_SECONDS ?= 600
CHAOS_SEED ?= 1
CHAOS_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install install-dev run test lint format proto proto-check bench chaos lock clean

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv where there is one, else pip; both install exactly what the lock file says.
define locked
@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
@echo "Installing $(1) into $(VENV)"
@if command -v uv >/dev/null 2>&1; then uv pip install --quiet --python $(BIN)/python -r $(1); \
else $(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(1); fi
@touch $@
endef

$(VENV)/.server: requirements/server.txt
	$(call locked,$<)

$(VENV)/.dev: requirements/dev.txt
	$(call locked,$<)

install: $(VENV)/.server ## Install what running needs

install-dev: $(VENV)/.dev ## Install what testing needs

run: install ## Run everything on this machine, with FLEET=20 demo agents
	@exec $(BIN)/python manage.py up --fleet $(FLEET)

test: install-dev ## Run the whole test suite
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: install-dev proto-check ## Check style, types, imports, migrations, settings and generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python manage.py makemigrations --check --dry-run
	SECRET_KEY=$$($(BIN)/python -c "import secrets; print(secrets.token_urlsafe(50))") \
	DATABASE_URL=postgres://user:password@database/orchestrator HTTPS=true ALLOWED_HOSTS=example.org \
	$(BIN)/python manage.py check --deploy --fail-level WARNING

format: install-dev ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

PROTOC = $(BIN)/python -m grpc_tools.protoc -Iproto \
	--plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc

proto: install-dev ## Generate crypto/wire from proto/
	$(PROTOC) --python_out=$(OUT) --mypy_out=$(OUT) proto/crypto/wire/*.proto
	$(PROTOC) --grpc_python_out=$(OUT) --mypy_grpc_out=$(OUT) proto/crypto/wire/crypto_streaming.proto
	$(PROTOC) -I. --python_out=$(OUT) --mypy_out=$(OUT) --grpc_python_out=$(OUT) --mypy_grpc_out=$(OUT) \
		tests/bots/wire/bots.proto

proto-check: install-dev
	@fresh=$$(mktemp -d) && trap 'rm -rf '$$fresh EXIT && $(MAKE) --silent proto OUT=$$fresh && \
	diff -r -x __init__.py -x __pycache__ $$fresh/crypto/wire crypto/wire && \
	diff -r -x __init__.py -x __pycache__ -x '*.proto' $$fresh/tests/bots/wire tests/bots/wire \
	|| { echo "Generated code is not what the protos say: run make proto"; exit 1; }

bench: install-dev ## Measure, beside the floor of the same run
	$(BIN)/python -m bench

chaos: install-dev ## Break a running installation for CHAOS_SECONDS=600 and judge what its ledger says
	$(BIN)/python -m tests.chaos --seconds $(CHAOS_SECONDS) --seed $(CHAOS_SEED) --report build/chaos.json $(CHAOS_ARGS)

lock: install-dev ## Resolve the dependencies anew
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --upgrade \
		pyproject.toml -o requirements/server.txt
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --upgrade \
		pyproject.toml --extra dev -o requirements/dev.txt

clean: ## Remove what runs and builds leave behind; keeps the data in var/
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
