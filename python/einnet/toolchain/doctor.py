"""What `einnet doctor` reports: every part of the toolchain, its version, and how to get it."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


_CUDA = "pip install 'einnet[cuda]'"
_DRIVER = "install NVIDIA's driver on a host with a GPU, and see that `nvidia-smi` lists it"


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
        _program("ptxas", "", False, "compiling for GPUs"),
        _driver(),
        _package("cuda-bindings", False, "running GPU code", _CUDA),
        _gpu(),
        _package("nvmath-python", False, "cuBLASLt: products on GPUs", _CUDA),
        _package("nvidia-cudnn-frontend", False, "cuDNN: convolutions on GPUs", _CUDA),
    )


@dataclass(frozen=True)
class Gpu:
    """A GPU and its compute capability."""

    name: str
    capability: tuple[int, int]

    @property
    def chip(self) -> str:
        return f"sm_{self.capability[0]}{self.capability[1]}"

    def __str__(self) -> str:
        return f"{self.name} ({self.chip})"


def find_gpus() -> tuple[Gpu, ...]:
    """The GPUs that NVIDIA's driver shows, at least one.

    Raises ToolchainError, with the reason, if there is none. Only asks: a GPU that runs one process
    at a time stays free for the next.
    """
    try:
        cu: Any = importlib.import_module("cuda.bindings.driver")
    except ImportError as error:
        raise ToolchainError("the package cuda-bindings is not installed", hint=_CUDA) from error
    try:
        code, *_ = cu.cuInit(0)
    except (RuntimeError, OSError) as error:  # as cuda.bindings says that libcuda is missing
        raise ToolchainError("NVIDIA's driver (libcuda) is missing", hint=_DRIVER) from error
    if int(code):
        raise ToolchainError(f"NVIDIA's driver finds no GPU: {code.name}", hint=_DRIVER)
    attribute = cu.CUdevice_attribute
    found: list[Gpu] = []
    for ordinal in range(int(cu.cuDeviceGetCount()[1])):
        _, device = cu.cuDeviceGet(ordinal)
        _, name = cu.cuDeviceGetName(256, device)
        _, major = cu.cuDeviceGetAttribute(
            attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device
        )
        _, minor = cu.cuDeviceGetAttribute(
            attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device
        )
        text = bytes(name).partition(bytes(1))[0].decode()
        found.append(Gpu(text, (int(major), int(minor))))
    if not found:
        raise ToolchainError("NVIDIA's driver shows no GPU", hint=_DRIVER)
    return tuple(found)


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
        _DRIVER,
        required=False,
        purpose="running GPU code",
    )


def _gpu() -> Finding:
    try:
        version, remedy = ", ".join(map(str, find_gpus())), ""
    except ToolchainError as error:
        version, remedy = None, f"{error.message}: {error.hint}"
    return _finding(
        "GPU", version, None, version is not None, remedy, required=False, purpose="measuring"
    )
