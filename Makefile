# Every target sets up its own .venv from the locked requirements; nothing needs to be activated.
# The first interpreter that runs (a version manager's shim may be on PATH and not run); tools/bootstrap.py then looks
# for one that is new enough.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c '' >/dev/null 2>&1 && echo $$p && break; done)
BIN := .venv/bin
PACKAGES := headgate observability gates deployments cicd

.PHONY: demo test live test-live check bench lock setup-demo setup-dev

setup-demo:
	@$(PYTHON) tools/bootstrap.py demo

setup-dev:
	@$(PYTHON) tools/bootstrap.py dev

demo: setup-demo ## the main job on the embedded sandbox
	@$(BIN)/headgate demo

test: setup-dev ## the test suite
	@$(BIN)/python tools/servers.py
	@$(BIN)/python -m pytest -n 3 --dist loadfile

live: setup-dev ## real Kubernetes, Argo CD, Argo Rollouts and Prometheus on loopback, until Ctrl-C
	@$(BIN)/python -m tests.live

test-live: setup-dev ## the tests against those servers
	@$(BIN)/python -m tests.live --build
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/live

check: setup-dev ## ruff, mypy strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: setup-dev ## benchmarks/
	@for b in benchmarks/*/run.py; do $(BIN)/python $$b; done

lock: setup-dev ## refresh requirements/*.txt
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header dev.in -o dev.txt
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header demo.in -c dev.txt -o demo.txt
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header bootstrap.in -o bootstrap.txt
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header airflow.in -o airflow.txt
