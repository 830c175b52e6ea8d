# FlowTask. `make` alone prints this list; `make up` needs Python >= 3.11 and a package registry, nothing else.

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Relative paths on purpose: the clone may lie in a folder with spaces.
BIN := .venv/bin
PROJECTS := pyproject.toml $(wildcard libs/*/pyproject.toml services/*/pyproject.toml tools/*/pyproject.toml)
# Tests wait much, so that two cores have time for three workers; those of a file share servers, files go in the order of testpaths.
SPREAD := -n 3 --dist loadfile --no-loadscope-reorder
# An environment that was made in another folder, or whose Python is gone, is made anew.
ANEW := $(if $(wildcard .venv),$(shell tools/local/uv.sh fits || echo anew))

.PHONY: help up down demo doctor reset test test-fast check format documents lock e2e bench bench-api bench-webhooks fuzz clean anew

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

up: .venv/.synced ## start FlowTask on this machine; Ctrl-C ends it
	@exec $(BIN)/flowtask up --with-parent

down: $(ANEW:anew=.venv/.synced) ## end a FlowTask that was started from this folder
	@if [ -x $(BIN)/flowtask ]; then exec $(BIN)/flowtask down; else echo "Nothing runs: nothing is installed here yet."; fi

demo: .venv/.synced ## see a task's webhooks arrive, signatures checked
	@exec $(BIN)/flowtask demo

doctor: .venv/.synced ## check this machine and this folder, and say what to do
	@exec $(BIN)/flowtask doctor

reset: .venv/.synced ## remove the local data, after asking
	@exec $(BIN)/flowtask reset

test: .venv/.developed ## all tests: real PostgreSQL, real NATS, real processes
	$(BIN)/pytest $(SPREAD)

test-fast: .venv/.developed ## tests of libraries, services and tools, without tests/e2e
	$(BIN)/pytest $(SPREAD) tools services libs

e2e: .venv/.developed ## tests of all processes together, SIGKILL included
	$(BIN)/pytest tests/e2e

check: .venv/.developed ## lint, formatting, types, and who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.developed ## put the code into its form
	$(BIN)/ruff check --fix --exit-zero
	$(BIN)/ruff format

documents: .venv/.developed ## write what is generated from the code: .env.example, docs/messages.md, docs/openapi.json, the dashboard
	$(BIN)/python -m flowtask_kit.settings_document flowtask_kit.settings:ServiceSettings \
	  flowtask_api.settings:ApiSettings flowtask_webhook_dispatcher.settings:DispatcherSettings \
	  flowtask_billing.settings:BillingSettings flowtask_mailer.settings:MailerSettings \
	  flowtask_kit.bootstrap.settings:BootstrapSettings flowtask_kit.bootstrap.settings:NatsUsersSettings > .env.example
	$(BIN)/python -m flowtask_local.credentials_document >> .env.example
	$(BIN)/python -m flowtask_contracts.document > docs/messages.md
	$(BIN)/python -m flowtask_api.documentation.export > docs/openapi.json
	$(BIN)/python $(CURDIR)/deploy/observability/delivery_health.py > deploy/observability/dashboards/delivery-health.json

lock: .venv/.developed ## resolve dependencies anew after a pyproject.toml has changed
	tools/local/uv.sh lock
	tools/local/uv.sh sync --frozen
	@touch .venv/.synced .venv/.developed

bench: .venv/.developed ## measure load and latency
	$(BIN)/python -m bench

bench-api: .venv/.developed ## measure what requests cost the API, beside a bare FastAPI
	$(BIN)/python -m bench api

bench-webhooks: .venv/.developed ## measure outgoing webhooks: drains, latency, isolation, fan-out, a million retries
	$(BIN)/python -m bench webhooks

fuzz: .venv/.developed ## try the API out against its own description, with good and bad requests
	$(BIN)/python -m bench.fuzz

clean: ## remove what was built or cached; .flowtask, with its data, stays
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

# Everything above stands on this: the environment, made again only when a dependency has changed.
# Who runs FlowTask needs a third of what its developers need; neither takes away what the other has brought.
.venv/.synced: uv.lock $(PROJECTS) tools/local/uv.sh $(ANEW)
	@tools/local/uv.sh sync --frozen --no-dev --inexact
	@touch .venv/.synced

.venv/.developed: uv.lock $(PROJECTS) tools/local/uv.sh $(ANEW)
	@tools/local/uv.sh sync --frozen
	@touch .venv/.synced .venv/.developed
