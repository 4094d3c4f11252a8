# make run    set up what is missing and open the dashboard
# make serve  the same for many people (docs/serve.md): make serve NGF_TOKEN=... OPTIONS="..."
# make test   set up what is missing and run all tests
# make format, make types, make docs    sort imports and fix what ruff can; check types; build docs/
# make bench  set up what is missing and measure against other libraries (three quarters of an hour,
#             on a machine with nothing else to do; a stopped one goes on where it stopped)
# make hostile  give hundreds of hostile inputs and write tests/campaigns/results/hostile.md

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run serve test types format docs bench hostile clean

run: .venv/installed
	$(BIN)/python -m ngf_core app

# Variables on make's command line reach the recipe's environment, so NGF_... may be given there.
serve: export NGF_SHARED ?= 1
serve: .venv/installed
	$(BIN)/streamlit run streamlit_app.py --server.headless true $(OPTIONS)

test: types
	$(BIN)/ruff check .
	$(BIN)/python -m pytest

types: .venv/installed-dev
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff check --fix .

docs: .venv/installed-dev
	$(BIN)/mkdocs build --strict

hostile: .venv/installed-dev
	$(BIN)/python -m tests.campaigns.hostile

bench: .venv/installed-dev
	$(BIN)/python -m benchmarks.side_by_side
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.page_reads

.venv/created:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'NGF Lab needs Python 3.11 or newer; this is ' + sys.version.split()[0] + '. Try: make run PYTHON=python3.12')"
	$(PYTHON) -m venv .venv
	touch $@

.venv/installed: .venv/created requirements.txt constraints.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

clean:
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache dist site
