"""What `einnet doctor` reports: every part of the toolchain, its version, and how to get it."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from einnet.errors import ToolchainError
from einnet.toolchain import tools


@dataclass(frozen=True)
class Finding:
    """One part of the toolchain.

    `ok` is whether it is there in a usable version. `remedy` is the command that installs it,
    empty if it is ok. A part that is not `required` serves only what `purpose` says.
    """

    name: str
    version: str | None
    path: Path | None
    ok: bool
    remedy: str
    required: bool
    purpose: str


def examine() -> tuple[Finding, ...]:
    """Examine this interpreter's packages and this host, in the order of the compiler's stages."""
    return (
        _python(),
        _bindings(),
        _program("mlir-opt", "22.", True, "einnet-opt, reproducing failures"),
        _program("mlir-translate", "22.", False, "tests"),
        _program("opt", "22.", False, "artifacts that run without MLIR"),
        _program("llc", "22.", False, "artifacts that run without MLIR"),
        _program("cc", "", False, "artifacts that run without MLIR"),
        _openblas(),
        _package("numpy", True, "everything", "pip install 'numpy>=2.0'"),
        _package("ml-dtypes", True, "weights", "pip install 'ml-dtypes>=0.5'"),
        _package("onnx", False, "ONNX models", "pip install 'einnet[onnx]'"),
        _package("torch-mlir", False, "ONNX models", "pip install 'einnet[onnx]'"),
        _program("torch-mlir-opt", "", False, "ONNX models"),
        _package("onnxruntime", False, "benchmarks", "pip install 'einnet[bench]'"),
        _program("FileCheck", "22.", False, "tests"),
        _program("not", "", False, "tests"),
        _driver(),
        _program("ptxas", "", False, "GPU code"),
        _package("cuda-core", False, "GPU code", "pip install 'einnet[cuda]'"),
        _package("nvmath-python", False, "cuBLASLt", "pip install 'einnet[cuda]'"),
        _package("nvidia-cudnn-frontend", False, "cuDNN", "pip install 'einnet[cuda]'"),
    )


def environment() -> dict[str, object]:
    """What a result file says about where it was made: host, Python, the parts' versions."""
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "system": platform.system(),
        "parts": {f.name: f.version for f in examine() if f.version is not None},
    }


def _processor(source: Path = Path("/proc/cpuinfo")) -> str:
    if source.exists():
        for line in source.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _finding(
    name: str,
    version: str | None,
    path: Path | None,
    ok: bool,
    remedy: str,
    *,
    required: bool,
    purpose: str,
) -> Finding:
    return Finding(name, version, path, ok, "" if ok else remedy, required, purpose)


def _python() -> Finding:
    version = platform.python_version()
    ok = tuple(int(part) for part in version.split(".")[:2]) >= (3, 11)
    remedy = "install Python 3.11 or newer"
    return _finding("python", version, None, ok, remedy, required=True, purpose="everything")


def _bindings() -> Finding:
    folder = next(iter(tools.package_folders("mlir")), None)
    version, ok, remedy = None, False, ""
    try:
        # Here and not above: a missing package is a finding, not the end of the examination.
        from einnet.toolchain import mlir

        version, remedy = mlir.version(), mlir.INSTALL
        mlir.require_supported()
        ok = True
    except ToolchainError as error:
        remedy = error.hint or remedy
    return _finding(
        "mlir (Python)", version, folder, ok, remedy, required=True, purpose="everything"
    )


def _program(name: str, version_prefix: str, required: bool, purpose: str) -> Finding:
    """A program; its version has to start with `version_prefix`."""
    tool = tools.find(name)
    return _finding(
        name,
        tool.version if tool else None,
        tool.path if tool else None,
        tool is not None and (tool.version or "").startswith(version_prefix),
        tools.install_command(name),
        required=required,
        purpose=purpose,
    )


def _package(name: str, required: bool, purpose: str, remedy: str) -> Finding:
    """A Python package, found by its metadata: importing some of them takes seconds."""
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return _finding(name, None, None, False, remedy, required=required, purpose=purpose)
    folder = Path(str(distribution.locate_file("")))
    return _finding(
        name, distribution.version, folder, True, "", required=required, purpose=purpose
    )


def _openblas() -> Finding:
    try:
        path, ok, remedy = tools.openblas(), True, ""
    except ToolchainError as error:
        path, ok, remedy = None, False, error.hint or ""
    package = _package("scipy-openblas32", True, "products on a CPU", remedy)
    return _finding(
        "openblas", package.version, path, ok, remedy, required=True, purpose=package.purpose
    )


def _driver(root: Path = Path("/proc/driver/nvidia")) -> Finding:
    """NVIDIA's kernel driver as it shows itself in /proc: no library is loaded to ask it."""
    version = None
    if (root / "version").is_file():
        match = re.search(r"(\d+\.\d+(\.\d+)?)", (root / "version").read_text(encoding="utf-8"))
        version = match.group(1) if match else None
    return _finding(
        "NVIDIA driver",
        version,
        root if version else None,
        version is not None,
        "install NVIDIA's driver on a host with a GPU",
        required=False,
        purpose="running GPU code",
    )
