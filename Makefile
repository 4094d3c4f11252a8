# make run    set up what is missing and open the dashboard
# make serve  the same for many people (docs/serve.md): make serve NGF_TOKEN=... OPTIONS="..."
# make test   set up what is missing and run all tests
# make format, make types, make docs    sort imports and fix what ruff can; check style and types;
#             build docs/
# make lock   pin all packages of requirements.txt, with hashes, in requirements.lock
# make vulnerabilities  look up known ones of the locked packages (needs the network)
# make bench  set up what is missing and measure against other libraries (three quarters of an hour,
#             on a machine with nothing else to do; a stopped one goes on where it stopped)
# make evidence  compute again, or go on computing, everything that documents and pages claim of
#             today's network: zoo, presets, rules for a layer, benchmark, sizes, fresh seeds. Some
#             thirty hours of two cores, estimated from the seconds that finished runs record; it may
#             be stopped at any time, and what is finished is kept
# make faults set up what is missing and make faults for real: kill workers and servers, fill a disk,
#             damage files (half an hour; root, else no disk is filled): make faults OPTIONS="--kills 20"
# make hostile  give hundreds of hostile inputs and write tests/campaigns/results/hostile.md

PYTHON ?= python3
BIN := .venv/bin
# Most modules of these packages are never imported: those that are, are compiled then, if Python may
# write what it compiled.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
  $(if $(PYTHONDONTWRITEBYTECODE),,--no-compile)

.PHONY: run serve test types suite format docs lock vulnerabilities bench evidence faults hostile clean

run: .venv/installed
	$(BIN)/python -m ngf_core app

# Variables on make's command line reach the recipe's environment, so NGF_... may be given there.
serve: export NGF_SHARED ?= 1
serve: export NGF_STORE_GB ?= 20
serve: export NGF_JOB_MEMORY_GB ?= 4
serve: .venv/installed
	$(BIN)/python -m ngf_core app --server.headless true $(OPTIONS)

test: types suite

types: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy

suite: .venv/installed-dev
	$(BIN)/python -m pytest

format: .venv/installed-dev
	$(BIN)/ruff check --fix .

docs: .venv/installed-dev
	$(BIN)/mkdocs build --strict

# Python and system of the Containerfile. The wheels of torch without CUDA lie outside the index.
lock: .venv/installed
	$(INSTALL) uv==0.13.9
	$(BIN)/uv pip compile requirements.txt --output-file requirements.lock --generate-hashes \
	  --no-emit-package ngf-lab --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	  --find-links "$${PIP_FIND_LINKS:-https://download.pytorch.org/whl/cpu/torch/}" \
	  --custom-compile-command "make lock" --quiet

# Strict: a package that could not be looked up is a failure, not a pass. The build without CUDA has
# the advisories of its release.
vulnerabilities: .venv/installed
	$(INSTALL) pip-audit==2.10.1
	mkdir -p .cache
	sed 's/+cpu//' requirements.lock > .cache/locked.txt
	$(BIN)/pip-audit --strict --requirement .cache/locked.txt --no-deps --disable-pip

hostile: .venv/installed-dev
	$(BIN)/python -m tests.campaigns.hostile

bench: .venv/installed-dev
	$(BIN)/python -m benchmarks.side_by_side
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.page_reads

# Sharpness is measured at four sizes on two data sets, of three attacks, at the largest size of one.
BENCHMARK := $(BIN)/python -m ngf_core benchmark
THREE := --attacks badnets blend wanet
CLAIM := --methods ngf sgd finetune ablate_auto_layer
MINI := --arch mini_preact_resnet $(THREE) $(CLAIM)
LARGE := --arch preact_resnet18_w32 --seeds 0 $(THREE) $(CLAIM)
LARGEST := --arch preact_resnet18 --attacks badnets --seeds 0 --epochs 8 $(CLAIM)
FASHION := --dataset fashion_mnist --limit 500
SIZES := assets/benchmark/sizes

evidence: .venv/installed-dev
	$(BIN)/python -m benchmarks.attack_strengths
	$(BIN)/python -m benchmarks.choose_preset
	$(BIN)/python -m ngf_core zoo build
	$(BIN)/python -m benchmarks.rescaled_layer
	$(BIN)/python -m benchmarks.auto_layer
	$(BENCHMARK) --stages cells
	$(BENCHMARK) $(THREE) $(CLAIM) --stages claim tables
	$(BENCHMARK) $(MINI) --tables $(SIZES)/signs-mini_preact_resnet
	$(BENCHMARK) $(LARGE) --tables $(SIZES)/signs-preact_resnet18_w32
	$(BENCHMARK) $(LARGEST) --tables $(SIZES)/signs-preact_resnet18
	$(BENCHMARK) $(FASHION) $(MINI) --tables $(SIZES)/fashion_mnist-mini_preact_resnet
	$(BENCHMARK) $(FASHION) --seeds 0 1 --attacks badnets blend troj_one sig wanet bpp \
	  --methods ngf sgd finetune fip ablate_auto_layer --stages cells
	$(BENCHMARK) $(FASHION) --seeds 0 1 $(THREE) $(CLAIM) --stages claim tables \
	  --tables $(SIZES)/fashion_mnist-preact_resnet18_w16
	$(BIN)/python -m benchmarks.choose_preset --methods ngf sgd \
	  --models $(foreach attack,badnets blend sig wanet,fashion_mnist-$(attack)-s0-n500-train) \
	  --out benchmarks/results/preset_fashion_mnist.json
	$(BIN)/python -m benchmarks.own_presets
	$(BENCHMARK) $(FASHION) $(LARGE) --tables $(SIZES)/fashion_mnist-preact_resnet18_w32
	$(BENCHMARK) $(FASHION) $(LARGEST) --tables $(SIZES)/fashion_mnist-preact_resnet18
	$(BIN)/python -m benchmarks.purification_seeds
	$(BIN)/python -m benchmarks.sgd_rate
	$(BENCHMARK) --seeds 3 4 --methods ngf sgd finetune ft_sam fip nad anp ibau fine_pruning \
	  ablate_auto_layer --stages cells
	$(BENCHMARK) --seeds 3 4 $(THREE) $(CLAIM) --stages claim tables --tables assets/benchmark/fresh

faults: .venv/installed-dev
	$(BIN)/python -m tests.campaigns.faults $(OPTIONS)

.venv/created:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'NGF Lab needs Python 3.11 or newer; this is ' + sys.version.split()[0] + '. Try: make run PYTHON=python3.12')"
	$(PYTHON) -m venv .venv
	touch $@

.venv/installed: .venv/created requirements.txt constraints.txt pyproject.toml
	$(INSTALL) -r requirements.txt
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(INSTALL) -r requirements-dev.txt
	touch $@

clean:
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache dist site
