"""The layer over the driver: what users are told, and how kernel nodes are found in a graph."""

from __future__ import annotations

import ctypes
import enum
import gc
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from einnet.errors import ToolchainError
from einnet.runtime.cuda import device as device_module
from einnet.runtime.cuda.device import CudaError, Device, Graph, Launch, Memory, open_device


class Code(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_NO_BINARY_FOR_GPU = 209
    CUDA_ERROR_ILLEGAL_ADDRESS = 700


OK = Code.CUDA_SUCCESS


def gives(*values: Any) -> Callable[..., Any]:
    """A function of the driver that succeeds with these values."""

    def function(*_: object) -> tuple[Any, ...]:
        return OK, *values

    return function


def fails(code: Code) -> Callable[..., Any]:
    def function(*_: object) -> tuple[Code]:
        return (code,)

    return function


ATTRIBUTES = {
    "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR": 8,
    "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR": 6,
    "CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT": 84,
    "CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE": 1 << 22,
    "CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID": 0,
    "CU_DEVICE_ATTRIBUTE_PCI_BUS_ID": 202,
    "CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID": 1,
}


def attribute(key: int, _: object) -> tuple[Code, int]:
    return OK, key


def driver(**functions: Any) -> Any:
    """A driver that sees one Ampere GPU, with some functions replaced."""
    known: dict[str, Any] = {
        "CUdevice_attribute": SimpleNamespace(**ATTRIBUTES),
        "cuInit": gives(),
        "cuDeviceGetCount": gives(1),
        "cuDeviceGet": gives(0),
        "cuDriverGetVersion": gives(13020),
        "cuDeviceGetName": gives(b"Some GPU".ljust(256, b"\0")),
        "cuDeviceGetAttribute": attribute,
        "cuDeviceTotalMem": gives(24 << 30),
        "cuDevicePrimaryCtxRetain": gives(7),
        "cuCtxSetCurrent": gives(),
        "cuMemGetInfo": gives(1 << 20, 4 << 20),
        "CUfunction": int,
    }
    return SimpleNamespace(**{**known, **functions})


def opened(monkeypatch: pytest.MonkeyPatch, cu: Any, ordinal: int = 0) -> Device:
    monkeypatch.setattr(device_module, "_import_driver", lambda: cu)
    open_device.cache_clear()
    try:
        return open_device(ordinal)
    finally:
        open_device.cache_clear()


def test_properties(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = opened(monkeypatch, driver()).properties
    assert (properties.name, properties.capability, properties.cuda) == ("Some GPU", (8, 6), "13.2")
    assert (properties.multiprocessors, properties.l2, properties.memory) == (84, 1 << 22, 24 << 30)
    assert properties.bus == "00-ca-01"


def _raise_missing(_: int) -> None:
    raise RuntimeError("Failed to dlopen libcuda.so.1")


@pytest.mark.parametrize(
    ("cu", "ordinal", "message"),
    [
        (driver(cuInit=_raise_missing), 0, r"NVIDIA's driver \(libcuda\) is missing"),
        (driver(cuInit=fails(Code.CUDA_ERROR_NO_DEVICE)), 0, "no GPU .*: CUDA_ERROR_NO_DEVICE"),
        (driver(), 1, "there is no GPU 1: 1 are visible"),
        (
            driver(cuDeviceGetAttribute=gives(7)),
            0,
            r"Some GPU has compute capability 7\.7; einnet needs 8\.0",
        ),
        (
            driver(cuDevicePrimaryCtxRetain=fails(Code.CUDA_ERROR_OUT_OF_MEMORY)),
            0,
            "Some GPU cannot be used: CUDA_ERROR_OUT_OF_MEMORY",
        ),
    ],
)
def test_a_gpu_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, cu: Any, ordinal: int, message: str
) -> None:
    with pytest.raises(ToolchainError, match=message) as caught:
        opened(monkeypatch, cu, ordinal)
    assert caught.value.hint


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)
    open_device.cache_clear()
    with pytest.raises(ToolchainError, match="cuda-bindings") as caught:
        open_device()
    assert caught.value.hint == "pip install 'einnet[cuda]'"


def test_out_of_memory_says_what_for(monkeypatch: pytest.MonkeyPatch) -> None:
    device = opened(monkeypatch, driver(cuMemAlloc=fails(Code.CUDA_ERROR_OUT_OF_MEMORY)))
    with pytest.raises(
        ToolchainError, match="the constants need 3 MiB, 1 MiB of 4 MiB are free"
    ) as caught:
        device.allocate(3 << 20, "the constants")
    assert caught.value.hint


def test_a_kernel_for_another_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cu = driver(cuModuleLoadData=fails(Code.CUDA_ERROR_NO_BINARY_FOR_GPU))
    with pytest.raises(ToolchainError, match="cannot load the kernel 'k' on Some GPU"):
        opened(monkeypatch, cu).load(b"", "k")


def test_a_fault_is_no_users_error(monkeypatch: pytest.MonkeyPatch) -> None:
    device = opened(monkeypatch, driver(cuStreamSynchronize=fails(Code.CUDA_ERROR_ILLEGAL_ADDRESS)))
    with pytest.raises(CudaError, match="ILLEGAL_ADDRESS") as caught:
        device.synchronize(3)
    assert caught.value.code == "CUDA_ERROR_ILLEGAL_ADDRESS"


class Parameters(SimpleNamespace):
    """A kernel node's parameters, with pointers to pointers to values as the driver has them."""

    @staticmethod
    def of(kernel: int, addresses: tuple[int, ...]) -> Parameters:
        values = np.array(addresses, np.uint64)
        pointers = values.ctypes.data + 8 * np.arange(len(addresses), dtype=np.uint64)
        return Parameters(func=kernel, kernelParams=pointers.ctypes.data, keep=(values, pointers))


def read(pointers: int, count: int) -> tuple[int, ...]:
    array = (ctypes.POINTER(ctypes.c_uint64) * count).from_address(pointers)
    return tuple(pointer[0] for pointer in array)


def test_nodes_are_found_by_kernel_and_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph with nodes of a library and a copy among ours, in no particular order."""
    nodes = {
        "library": Parameters.of(99, (1, 2)),
        "second": Parameters.of(5, (1 << 63, 30)),
        "first": Parameters.of(5, (10, 20)),
        "other": Parameters.of(6, (10,)),
    }
    updated: list[tuple[str, int, tuple[int, ...], int]] = []

    def get_nodes(_: object, count: int) -> tuple[Code, list[str], int]:
        return OK, [*nodes, "copy"][:count], 5

    def get_type(node: str) -> tuple[Code, str]:
        return OK, "copy" if node == "copy" else "kernel"

    def get_parameters(node: str) -> tuple[Code, Parameters]:
        return OK, nodes[node]

    def update(executable: str, node: str, parameters: Any) -> tuple[Code]:
        assert executable == "executable"
        values = read(parameters.kernelParams, 2)
        updated.append((node, parameters.func, values, parameters.gridDimY))
        return (OK,)

    cu = driver(
        cuGraphGetNodes=get_nodes,
        cuGraphNodeGetType=get_type,
        cuGraphKernelNodeGetParams=get_parameters,
        cuGraphExecKernelNodeSetParams=update,
        cuGraphExecDestroy=gives(),
        cuGraphDestroy=gives(),
        CUgraphNodeType=SimpleNamespace(CU_GRAPH_NODE_TYPE_KERNEL="kernel"),
        CUDA_KERNEL_NODE_PARAMS=SimpleNamespace,
    )
    graph = Graph(opened(monkeypatch, cu), "graph", "executable")
    grid, block = (1, 4, 1), (32, 1, 1)
    first, second = (Launch(5, grid, block, 0, a) for a in ((10, 20), (1 << 63, 30)))
    graph.find([first, Launch(6, grid, block, 0, (10,)), second])
    graph.update(2, Launch(5, grid, block, 0, (7, 8)))
    graph.update(0, Launch(5, grid, block, 0, (9, 20)))
    assert updated == [("second", 5, (7, 8), 4), ("first", 5, (9, 20), 4)]
    with pytest.raises(LookupError):
        graph.find([Launch(6, grid, block, 0, (11,))])
    graph.close()


def test_importing_the_runtime_imports_no_cuda() -> None:
    script = """
import sys
import einnet.runtime.cuda.artifact, einnet.runtime.cuda.executor, einnet.runtime.cuda.timing
print(sorted({n.partition(".")[0] for n in sys.modules} & {"cuda", "nvmath", "cudnn", "mlir"}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_who_frees_memory_later_keeps_it_until_then() -> None:
    freed: list[int] = []
    later = Memory(4096, 16, freed.append).free
    gc.collect()
    assert freed == []
    later()
    later()
    assert freed == [4096]
