"""What importing costs and what it drags in, seen from a fresh interpreter."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

import pytest

import einnet

HEAVY = {"mlir", "torch_mlir", "torch", "cuda", "nvmath", "cudnn", "onnx", "onnxruntime"}

# Folders that work on expressions alone: a host without MLIR and without a GPU can run them.
PURE = ("expr", "rules", "mutations", "operators", "search", "verify")

REPORT = """
import json, sys, time
before = time.process_time()
import {modules}
seconds = time.process_time() - before
print(json.dumps([seconds, sorted({{name.partition(".")[0] for name in sys.modules}})]))
"""


def import_fresh(*modules: str) -> tuple[float, set[str]]:
    """CPU seconds to import `modules` in a new interpreter, and the top-level packages loaded."""
    script = REPORT.format(modules=", ".join(modules))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    seconds, packages = json.loads(done.stdout)
    return seconds, set(packages)


def modules_of(folder: str) -> list[str]:
    """The dotted names of every module in `einnet.<folder>`; none if there is no such folder."""
    roots = [f"{path}/{folder}" for path in einnet.__path__]
    prefix = f"einnet.{folder}."
    return [module.name for module in pkgutil.walk_packages(roots, prefix)]


def test_import_einnet_is_light() -> None:
    seconds, packages = min(import_fresh("einnet") for _ in range(3))
    assert not packages & (HEAVY | {"numpy"})
    assert seconds < 0.1


@pytest.mark.parametrize("folder", PURE)
def test_pure_folders_import_no_compiler_and_no_device(folder: str) -> None:
    modules = modules_of(folder)
    assert modules
    _, packages = import_fresh(*modules)
    assert not packages & HEAVY


def test_the_check_itself_sees_heavy_packages() -> None:
    _, packages = import_fresh("mlir.ir")
    assert "mlir" in packages
