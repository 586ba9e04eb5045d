# `make demo` and `make test` need Python 3.11 or newer and nothing else: both make their own .venv.
#
#   make demo      build a small model, optimize it, time it beside ONNX Runtime
#   make test      linters, types, import contracts, and every test that is fast and needs no GPU
#   make test-all  the same with the slow tests and many more random examples
#   make lint      the checks without the tests
#   make plugin    build the pass plugin for mlir-opt, if there is a C++ compiler
#   make device    the tests of GPU code, on a machine with a GPU
#   make memcheck  kernels and runtime under compute-sanitizer, on a machine with a GPU
#   make docs      write docs/rules.md and docs/passes.md from what the sources say
#   make clean     remove .venv and everything that was built
#
# Settings, all on the command line:  make test PYTHON=python3.12 PYTEST_FLAGS="-k lit -x"
PYTHON ?= python3
WORKERS ?= 2
PYTEST_FLAGS ?=
PIP_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS)
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) $(PYTEST_FLAGS)

# Someone who has built LLVM often has another `mlir` package on PYTHONPATH; it must not win here.
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help demo test test-all device memcheck lint plugin docs clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/demo.stamp
	@mkdir -p build
	$(BIN)/python examples/infogan.py --batch 16 -o build/infogan.onnx
	$(BIN)/einnet compile build/infogan.onnx -o build/infogan.einnet
	$(BIN)/einnet bench build/infogan.onnx

# Pytest comes last, so that its summary line closes the output.
test: lint plugin
	$(PYTEST)

test-all: lint plugin
	$(PYTEST) -m "not device" --hypothesis-profile=full

device: $(VENV)/dev.stamp
	$(BIN)/python -m pytest $(PYTEST_FLAGS) -m device -s test/device

# Memory that is asked for in vain, memory in use and times mean nothing under the tool.
memcheck: $(VENV)/dev.stamp
	@for tests in gpu_kernels runtime; do \
	  compute-sanitizer --tool memcheck --report-api-errors no --error-exitcode 1 \
	    $(BIN)/python -m pytest $(PYTEST_FLAGS) -m device test/device/test_$$tests.py \
	    -k "not memory and not plausible" || exit 1; \
	done

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo

# Its tests are skipped, and say so, where it cannot be built.
plugin: $(VENV)/dev.stamp
	@if command -v $(CXX) >/dev/null; then \
	  $(BIN)/cmake -G Ninja -B build/cmake --log-level=WARNING -DCMAKE_CXX_COMPILER=$(CXX) \
	    -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja && \
	  $(BIN)/cmake --build build/cmake --target EinnetPasses; \
	else \
	  echo "no C++ compiler ($(CXX)): the pass plugin is not built and its tests are skipped"; \
	fi

docs: $(VENV)/dev.stamp
	$(BIN)/python tools/generate_rules_doc.py
	$(BIN)/python tools/generate_passes_doc.py

clean:
	rm -rf $(VENV) build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/python.stamp:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "error: no '$(PYTHON)' on PATH; name a Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: einnet needs Python 3.11 or newer, and '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1);" \
	       "name another: make PYTHON=python3.12" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(VENV)/python.stamp
	@echo "installing einnet and its development tools into $(VENV) (about a minute)"
	$(PIP) --editable '.[dev]'
	@touch $@

# The development environment holds everything that the demo needs.
$(VENV)/demo.stamp: pyproject.toml | $(VENV)/python.stamp
	@if [ ! $(VENV)/dev.stamp -nt pyproject.toml ]; then \
	  echo "installing einnet into $(VENV) (about a minute)"; \
	  $(PIP) --editable '.[onnx,bench]' || exit 1; \
	fi
	@touch $@
