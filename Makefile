# kilter's one entry. `make` alone lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

export PYTEST_DISABLE_PLUGIN_AUTOLOAD := 1
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache
unexport PYTHONDONTWRITEBYTECODE # what is compiled lies in build and is used again
export UV_PYTHON_DOWNLOADS ?= never

UV := $(shell command -v uv || echo build/uv/bin/uv)
RUN := $(UV) run --frozen --no-sync
TESTBED := python3 testbed
TESTBED_FOR ?= demo
IN_TESTBED := $(TESTBED) exec --
KILTER := build/kilter/bin/kilter

.PHONY: help demo test check lint unit-server unit-dev unit-cli unit-rest fix unit integration pythons cluster golden docs pins bench platform-image testbed testbed-platform testbed-down wheel clean environment no-environment

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: wheel testbed ## bring the example shop up on a real cluster and show it working
	$(IN_TESTBED) python3 scripts/demo.py $(KILTER)

test: check ## run every test, real clusters and the pinned helm included
	python3 scripts/run_tests.py

# Make 4 keeps the lines of a target together; Apple's is older and mixes them.
TOGETHER := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
# Who says how many may work at once, `make -j2 check`, means these too.
AT_ONCE = $(if $(findstring jobserver,$(MAKEFLAGS)),,--jobs=$(1))
check: environment ## format, lint, types, import contract, unit and golden tests, docs (seconds)
	@$(MAKE) --no-print-directory $(call AT_ONCE,5) $(TOGETHER) $(PARTS:%=unit-%) lint

lint: environment
	$(RUN) ruff format --check --quiet
	$(RUN) ruff check --quiet
	$(RUN) mypy
	$(RUN) lint-imports --no-logo > build/lint-imports.log || { cat build/lint-imports.log; exit 1; }
	$(RUN) yamllint --strict .
	$(RUN) python -m pytest -q tests/architecture
	$(RUN) python docs/generate.py --check

# Four parts that take about as long; more than a machine may have cores, because each of them waits now and then.
PARTS := server dev cli rest
OF_server := server
BUT_server := server/portal
OF_dev := dev testbed state platform scripts bench
OF_cli := cli docs clusters tools charts server/portal
# Thousands of folders, in memory where it can be.
$(PARTS:%=unit-%): export PYTEST_DEBUG_TEMPROOT = $(wildcard /dev/shm)
unit-server unit-dev unit-cli: unit-%: environment
	$(RUN) python -m pytest -q $(OF_$*:%=tests/unit/%) $(BUT_$*:%=--ignore=tests/unit/%)
unit-rest: environment
	$(RUN) python -m pytest -q tests/unit $(foreach part,$(PARTS),$(OF_$(part):%=--ignore=tests/unit/%)) tests/golden

fix: environment ## repair what `make check` can repair: format, lint, generated docs, golden trees
	$(RUN) ruff check --fix --quiet || true
	$(RUN) ruff format --quiet
	$(MAKE) docs golden

unit: environment ## the unit and golden tests alone
	@$(MAKE) --no-print-directory $(call AT_ONCE,4) $(TOGETHER) $(PARTS:%=unit-%)

integration: environment ## the tests that start processes of this machine or speak over its loopback
	$(RUN) python -m pytest -q tests/integration

PYTHONS ?= python3.12 python3.13
pythons: $(UV) ## the same tests on the other Pythons that are promised: PYTHONS="python3.12 /opt/python3.13/bin/python"
	@for python in $(PYTHONS); do \
	  version="$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"; \
	  export UV_PROJECT_ENVIRONMENT="build/pythons/$$version"; \
	  $(UV) sync --quiet --frozen --python "$$python"; \
	  "$$UV_PROJECT_ENVIRONMENT/bin/python" -m pytest -q; \
	done

golden: environment ## render the golden trees anew; read the diff before you commit it
	$(RUN) python tests/golden/regenerate.py

docs: environment ## write what follows from the code: the pages of docs/reference, the definition of KilterApp
	$(RUN) python docs/generate.py
	$(RUN) python scripts/write_crd.py

pins: environment ## print the checksums of the tools as their publishers serve them, and compare the pins; needs the web
	$(RUN) python scripts/pins.py

bench: wheel testbed-platform ## measure, print a table, write bench/results/*.json
	$(IN_TESTBED) $(RUN) python scripts/build_image.py kilter:dev
	$(IN_TESTBED) $(RUN) python -m bench $(BENCH)

platform-image: wheel ## build the image of kilter-server and kilter-operator as kilter:dev; PLATFORM=linux/arm64 for nodes of that kind
	$(IN_TESTBED) $(RUN) python scripts/build_image.py kilter:dev $(PLATFORM:%=--platform %)

testbed: ## make this machine able to run real clusters (does nothing where Docker and the registries work)
	$(TESTBED) up --for $(TESTBED_FOR)

testbed-platform: ## the same, with Flux, Traefik and metrics-server for the shared platform
	$(TESTBED) up --for platform

testbed-down: ## end everything that `make testbed` started
	$(TESTBED) down

wheel: environment ## build the wheel and install it into build/kilter, as a user would
	@rm -f build/dist/kilter-*.whl
	@$(UV) build --quiet --wheel --out-dir build/dist
	@$(UV) venv --quiet --clear build/kilter
	@$(UV) pip install --quiet --compile-bytecode --python build/kilter/bin/python --constraint <($(UV) export --quiet --frozen --no-dev --no-emit-project --no-hashes) build/dist/kilter-*.whl

clean: ## remove what the other targets built (the testbed's cache stays)
	rm -rf build .venv .mypy_cache .ruff_cache .import_linter_cache

environment: build/environment

# Whoever removes .venv alone wants another.
build/environment: $(UV) pyproject.toml uv.lock $(if $(wildcard .venv/bin/python),,no-environment)
	@mkdir -p build
	@$(UV) sync --quiet --frozen
	@touch $@

no-environment:

build/uv/bin/uv:
	@scripts/get-uv
