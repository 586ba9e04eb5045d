"""What `einnet doctor` says of the GPU and its libraries, with and without them."""

from __future__ import annotations

import sys
from enum import IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from einnet.cli.doctor import gpu_libraries
from einnet.cli.main import main
from einnet.errors import ToolchainError
from einnet.toolchain.doctor import Gpu, examine, find_gpus


class Code(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_NO_DEVICE = 100


def driver(gpus: list[tuple[bytes, int, int]], code: Code = Code.CUDA_SUCCESS) -> ModuleType:
    """The driver's bindings as far as they are asked."""
    module: Any = ModuleType("cuda.bindings.driver")
    prefix = "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY"
    module.CUdevice_attribute = SimpleNamespace(**{f"{prefix}_MAJOR": 1, f"{prefix}_MINOR": 2})

    def attribute(which: int, device: int) -> tuple[Code, int]:
        _, major, minor = gpus[device]
        return Code.CUDA_SUCCESS, {1: major, 2: minor}[which]

    def name(size: int, device: int) -> tuple[Code, bytes]:
        return Code.CUDA_SUCCESS, gpus[device][0].ljust(size, b"\0")

    def handle(ordinal: int) -> tuple[Code, int]:
        return Code.CUDA_SUCCESS, ordinal

    def start(_: int) -> tuple[Code]:
        return (code,)

    def count() -> tuple[Code, int]:
        return Code.CUDA_SUCCESS, len(gpus)

    module.cuInit, module.cuDeviceGetCount, module.cuDeviceGet = start, count, handle
    module.cuDeviceGetName, module.cuDeviceGetAttribute = name, attribute
    return module


def test_gpus_are_named_with_their_chips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", driver([(b"H100", 9, 0)]))
    assert find_gpus() == (Gpu("H100", (9, 0)),)
    (finding,) = [f for f in examine() if f.name == "GPU"]
    assert (finding.ok, finding.version, finding.remedy) == (True, "H100 (sm_90)", "")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (None, "the package cuda-bindings is not installed"),
        (driver([], Code.CUDA_ERROR_NO_DEVICE), "finds no GPU: CUDA_ERROR_NO_DEVICE"),
        (driver([]), "shows no GPU"),
    ],
)
def test_no_gpu(monkeypatch: pytest.MonkeyPatch, module: ModuleType | None, message: str) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", module)
    with pytest.raises(ToolchainError, match=message):
        find_gpus()
    (finding,) = [f for f in examine() if f.name == "GPU"]
    assert not finding.ok and message in finding.remedy and not finding.required


def test_missing_libraries_are_no_tracebacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "nvmath.bindings.cublasLt", None)
    monkeypatch.setitem(sys.modules, "cudnn", None)
    assert [(f.name, f.ok, "pip install" in f.remedy) for f in gpu_libraries()] == [
        ("cuBLASLt", False, True),
        ("cuDNN", False, True),
    ]
    assert main(["doctor"]) == 0, "a GPU is not required"
    printed = capsys.readouterr()
    assert not printed.err
    rows = {line.split()[0]: line.split()[1] for line in printed.out.splitlines()}
    assert (rows["cuDNN"], rows["numpy"]) == ("optional", "ok")
