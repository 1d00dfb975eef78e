# The commands of the house. `make demo` and `make test` work on a machine that has nothing but make and, if you are not root,
# a C compiler and Python with headers; as root the missing system packages are installed.
#
# PYTHON=python3.12 VENV=.venv-3.12 make test    another Python, beside the first

PYTHON ?= $(shell tools/find-python 3.11 2>/dev/null || command -v python3)
VENV ?= .venv

export PATH := $(abspath $(VENV))/bin:$(PATH)
unexport PYTHONPATH

IN_VENV = $(VENV)/bin/python

.PHONY: demo test pytest install dev aarch64 fuzz sanitize bench format clean

demo: install
	$(IN_VENV) examples/flights_demo.py

test: $(VENV)/.ready
	tools/test $(VENV)

# Build and Python tests alone: what CI does on the Pythons that `make test` did not run on.
pytest: install
	$(IN_VENV) -m pytest -m "not fuzz" tests/

install: $(VENV)/.ready
	tools/install $(VENV)

# Incremental, into build/dev; prints the PYTHONPATH to use it from.
dev: $(VENV)/.ready
	@tools/dev-build $(IN_VENV) build/dev-$(notdir $(VENV))

# The core, cross-compiled.
aarch64: $(VENV)/.ready
	tools/cross-aarch64

# FUZZ="--programs 1000 --seed 7" make fuzz; of each generator
FUZZ ?= --programs 100000
fuzz: install
	$(IN_VENV) -m fuzz.run --generator all $(FUZZ)

# SANITIZE="thread" make sanitize: that one alone; PYTEST="-k feed" for words to pytest
sanitize: $(VENV)/.ready
	tools/sanitize $(VENV) $(SANITIZE)

# BENCH="--quick" make bench
bench: install
	$(IN_VENV) bench/run.py $(BENCH)

format: $(VENV)/.ready
	git ls-files '*.c' '*.h' | xargs clang-format -i
	ruff format .
	ruff check --fix .

clean:
	rm -rf build $(VENV)

$(VENV)/.ready: pyproject.toml tools/setup
	tools/setup $(VENV) "$(PYTHON)"
