# seqlab: every target creates the environment when it is missing. `make` alone lists the targets.
PYTHON ?= python3
PORT ?=
LAB_ARGS ?=
MODE ?= lab
EDITION ?= both
JOBS ?= 2
BENCH_ARGS ?=
TEST_ARGS ?=
SUBMISSIONS ?= submissions
OUT ?= build/grades
GRADE_ARGS ?=
LAB ?= 00
# one more than there are cores: who drives a browser waits much of the time
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)
PY := .venv/bin/python
PYTEST := $(PY) -m pytest -n $(WORKERS) --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# Another Python's modules and start-up code have no place here, and pip installs into .venv, whatever a user has set.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONSAFEPATH PYTHONUSERBASE PIP_TARGET PIP_PREFIX PIP_ROOT
# Many processes import the same modules: what the first compiles serves the others.
unexport PYTHONDONTWRITEBYTECODE
export PIP_USER := 0

.DEFAULT_GOAL := help
.PHONY: help setup lab test test-all types labs book grade slides bench bench-gpu doctor lint clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup:  ## create .venv from requirements.lock (a second run takes no time)
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "seqlab needs Python 3.11 or newer, and '$(PYTHON)' is not on the PATH: install it, or name one with make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) ci/bootstrap.py

lab: setup  ## JupyterLab on the labs            (PORT=8889, LAB_ARGS="--no-browser")
	@$(PY) -m seqlab lab labs --port "$(PORT)" --jupyter="$(LAB_ARGS)"

test: setup  ## what every push must pass, on all cores  (TEST_ARGS="tests/labs", WORKERS=2)
	@$(PYTEST) $(TEST_ARGS)

test-all: setup  ## that, and what takes long: lab mode in the browser, latencies, labs without Triton
	@$(PYTEST) -m "" $(TEST_ARGS)

labs: setup  ## execute all notebooks; report in build/report  (MODE=smoke|lab|full, EDITION=open|solved|both, JOBS=2)
	@$(PY) -m ci.run_labs --mode $(MODE) --edition $(EDITION) --jobs $(JOBS)

book: setup  ## all labs as pages in which the widgets move, in build/book/html  (MODE=smoke|lab|full)
	@$(PY) -m ci.book --mode $(if $(filter command line,$(origin MODE)),$(MODE),smoke) --jobs $(JOBS)

grade: setup  ## judge what a class handed in  (SUBMISSIONS=folder, OUT=build/grades, JOBS=2, GRADE_ARGS="--resume")
	@$(PY) -m seqlab grade "$(SUBMISSIONS)" --out "$(OUT)" --jobs $(JOBS) $(GRADE_ARGS)

slides: setup  ## a lab to project, one HTML file, no network  (LAB=05, MODE=lab)
	@$(PY) -m ci.slides $(LAB) --mode $(MODE)

bench: setup  ## measure against peers in the same run
	@$(PY) -m ci.bench

bench-gpu: setup  ## the Triton kernels on a GPU: right first, then timed  (BENCH_ARGS="--quick" or "--dry-run")
	@$(PY) -m ci.bench.gpu $(BENCH_ARGS)

doctor: setup  ## what this machine has, and what each lab can use
	@$(PY) -m seqlab

lint: setup  ## ruff on code and notebooks, import contracts, notebook hygiene
	@$(PY) -m ci.lint

types: setup  ## the type checker on kernels, the common parts of seqlab and the course
	@$(PY) -m pyright

clean:  ## remove build/ and caches (keeps .venv and your progress)
	@rm -rf build .pytest_cache *.egg-info
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
	@echo "Removed build/ and caches. The environment stays in .venv (remove it by hand to start over)."
