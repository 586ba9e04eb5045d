"""The GPU: a thin layer over cuda.bindings.driver in which every return code is checked.

cuda-core would read better, but it moved between packages in its short life and cannot yet set a
kernel node's parameters, which is what input pointers are updated with; the driver API is stable.
Nothing here imports CUDA before a device is opened. The primary context is used, so that memory and
streams are shared with the libraries, CuPy and torch in the same process. Memory is plain device
memory, never managed.
"""

from __future__ import annotations

import ctypes
import importlib
import re
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einnet.errors import ToolchainError
from einnet.runtime.cuda.call import Handles

Array = NDArray[Any]

OLDEST = (8, 0)
"""Kernels are generated for this compute capability and newer ones."""

_INSTALL = "pip install 'einnet[cuda]'"
_DRIVER = "install NVIDIA's driver, and see that `nvidia-smi` lists a GPU"

# What loading a kernel answers if the driver is too old for it, or the GPU another one.
_UNLOADABLE = (
    "CUDA_ERROR_NO_BINARY_FOR_GPU",
    "CUDA_ERROR_INVALID_IMAGE",
    "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
)
# Static and dynamic shared memory that a kernel gets without asking for more.
_SHARED = 48 * 1024


class CudaError(Exception):
    """A call of the driver failed, and not for want of something: our bug, or a broken device.

    `code` is CUDA's name of the error. After some, such as an illegal address, the process can use
    the device no more.
    """

    def __init__(self, function: str, code: str) -> None:
        super().__init__(f"{function}: {code}")
        self.code = code


class OutOfMemory(ToolchainError):  # noqa: N818 - what happened, to the user as to us
    """The device has not enough free memory."""


@dataclass(frozen=True)
class Properties:
    """What is known of a device: `memory` and `l2` in bytes, `driver` the release ("" if the
    system does not tell it), `cuda` the newest version that the driver supports, `bus` the place
    of the device in this machine."""

    name: str
    capability: tuple[int, int]
    multiprocessors: int
    memory: int
    l2: int
    driver: str
    cuda: str
    bus: str


@dataclass(frozen=True)
class Launch:
    """A kernel's launch, its arguments being addresses; `shared` counts bytes of dynamic memory."""

    kernel: int
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int
    addresses: tuple[int, ...]


class Memory:
    """An allocation on a device, 256-byte aligned; freed by `free`, or when it is collected."""

    def __init__(self, address: int, size: int, release: Callable[[int], None]) -> None:
        self.address = address
        self.bytes = size
        self._release = weakref.finalize(self, release, address)
        self._release.atexit = False  # the driver may be gone by then

    def free(self) -> None:
        """Free it now. A method and not the finalizer itself: who holds it keeps the memory."""
        self._release()


class Graph:
    """An executable CUDA graph. Kernel nodes are addressed by the launches they came from."""

    def __init__(self, device: Device, graph: Any, executable: Any) -> None:
        self._device = device
        self._graph = graph
        self._executable = executable
        self._nodes: list[Any] = []
        self._release = weakref.finalize(self, device.destroy_graph, graph, executable)
        self._release.atexit = False

    def close(self) -> None:
        """Destroy it now; replays that are enqueued still end."""
        self._release()

    def launch(self, stream: int) -> None:
        """Enqueue one replay."""
        cu = self._device.driver
        _call(cu.cuGraphLaunch, self._executable, stream)

    def find(self, launches: Sequence[Launch]) -> None:
        """Find the node of each launch, for `update`. Equal launches may have each other's.

        Raises LookupError if one is not in the graph.
        """
        found: dict[tuple[int, tuple[int, ...]], list[Any]] = {}
        arities = {launch.kernel: len(launch.addresses) for launch in launches}
        for node, kernel, values in self._device.kernel_nodes(self._graph):
            if kernel in arities:
                key = (kernel, _words(values, arities[kernel]))
                found.setdefault(key, []).append(node)
        self._nodes = []
        for launch in launches:
            nodes = found.get((launch.kernel, launch.addresses))
            if not nodes:
                raise LookupError(f"the graph has no node for {launch}")
            self._nodes.append(nodes.pop(0))

    def update(self, index: int, launch: Launch) -> None:
        """Replace the launch at `index` of those given to `find`: same kernel, other arguments."""
        cu = self._device.driver
        parameters = cu.CUDA_KERNEL_NODE_PARAMS()
        parameters.func = cu.CUfunction(launch.kernel)
        parameters.gridDimX, parameters.gridDimY, parameters.gridDimZ = launch.grid
        parameters.blockDimX, parameters.blockDimY, parameters.blockDimZ = launch.block
        parameters.sharedMemBytes = launch.shared
        arguments = _Arguments(launch.addresses)
        parameters.kernelParams = arguments.address
        _call(cu.cuGraphExecKernelNodeSetParams, self._executable, self._nodes[index], parameters)


class Device:
    """A GPU whose primary context is current in this thread, as `open_device` makes it.

    Streams and kernels are handles (integers), addresses are integers; sizes count bytes. Copies
    and fills are enqueued: wait with `synchronize`.
    """

    def __init__(self, ordinal: int, properties: Properties, driver: Any, context: Any) -> None:
        self.ordinal = ordinal
        self.properties = properties
        self.driver = driver
        self.handles = Handles(ordinal)
        """The libraries' handles, shared by all programs on this device."""
        self._context = context

    @property
    def dlpack(self) -> tuple[int, int]:
        """The device by DLPack's numbering: kDLCUDA and the ordinal."""
        return 2, self.ordinal

    def make_current(self) -> None:
        """Make this device's context the calling thread's."""
        _call(self.driver.cuCtxSetCurrent, self._context)

    def allocate(self, size: int, what: str) -> Memory:
        """`size` bytes for `what`, not initialised. Raises OutOfMemory if it is short."""
        try:
            # CUDA refuses to allocate nothing.
            address = int(_call(self.driver.cuMemAlloc, max(size, 1)))
        except CudaError as error:
            if error.code != "CUDA_ERROR_OUT_OF_MEMORY":
                raise
            free, total = _call(self.driver.cuMemGetInfo)
            raise OutOfMemory(
                f"out of GPU memory: {what} need {_mib(size)}, {_mib(int(free))} of"
                f" {_mib(int(total))} are free",
                hint="free memory of other programs on the GPU, or compile for a smaller batch",
            ) from error
        return Memory(address, size, self._free)

    def upload(self, address: int, array: Array, stream: int) -> None:
        """Copy a C-contiguous array to the device; it may change as soon as this returns."""
        if array.nbytes:
            cu = self.driver
            _call(cu.cuMemcpyHtoDAsync, address, array.ctypes.data, array.nbytes, stream)
            self.synchronize(stream)

    def download(self, address: int, array: Array, stream: int) -> None:
        """Fill a C-contiguous array from the device, after what the stream does before."""
        if array.nbytes:
            cu = self.driver
            _call(cu.cuMemcpyDtoHAsync, array.ctypes.data, address, array.nbytes, stream)
            self.synchronize(stream)

    def copy(self, destination: int, source: int, size: int, stream: int) -> None:
        if size:
            _call(self.driver.cuMemcpyDtoDAsync, destination, source, size, stream)

    def fill(self, address: int, byte: int, size: int, stream: int) -> None:
        if size:
            _call(self.driver.cuMemsetD8Async, address, byte, size, stream)

    def make_stream(self) -> int:
        """A stream that does not wait for the default one; undone by `destroy_stream`."""
        flag = self.driver.CUstream_flags.CU_STREAM_NON_BLOCKING
        return int(_call(self.driver.cuStreamCreate, int(flag)))

    def destroy_stream(self, stream: int) -> None:
        _call(self.driver.cuStreamDestroy, stream)

    def synchronize(self, stream: int) -> None:
        """Wait until the stream is empty. Raises CudaError for a fault in what it ran."""
        _call(self.driver.cuStreamSynchronize, stream)

    def wait(self, stream: int, other: int) -> None:
        """What is enqueued on `stream` from now on waits for what `other` holds now."""
        event = self.make_event()
        self.record(event, other)
        _call(self.driver.cuStreamWaitEvent, stream, event, 0)
        self.destroy_event(event)

    def make_event(self) -> int:
        """An event that can be timed; undone by `destroy_event`."""
        return int(_call(self.driver.cuEventCreate, 0))

    def destroy_event(self, event: int) -> None:
        _call(self.driver.cuEventDestroy, event)

    def record(self, event: int, stream: int) -> None:
        _call(self.driver.cuEventRecord, event, stream)

    def elapsed(self, start: int, end: int) -> float:
        """Microseconds between two recorded events; waits for the second."""
        _call(self.driver.cuEventSynchronize, end)
        return 1000 * float(_call(self.driver.cuEventElapsedTime, start, end))

    def load(self, cubin: bytes, symbol: str) -> tuple[int, int]:
        """The module of a cubin and its kernel `symbol`; the module is undone by `unload`.

        Raises ToolchainError if this driver or GPU cannot run it.
        """
        cu = self.driver
        try:
            module = _call(cu.cuModuleLoadData, cubin)
            kernel = _call(cu.cuModuleGetFunction, module, symbol.encode())
        except CudaError as error:
            if error.code not in _UNLOADABLE:
                raise
            raise ToolchainError(
                f"the driver (CUDA {self.properties.cuda}) cannot load the kernel '{symbol}' on"
                f" {self.properties.name}: {error.code}",
                hint="compile again for this GPU, or install a newer driver",
            ) from error
        return int(module), int(kernel)

    def unload(self, module: int) -> None:
        _call(self.driver.cuModuleUnload, module)

    def allow_shared(self, kernel: int, size: int) -> None:
        """Let a kernel be launched with `size` bytes of dynamic shared memory."""
        if size > _SHARED:
            cu = self.driver
            attribute = cu.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            _call(cu.cuFuncSetAttribute, cu.CUfunction(kernel), attribute, size)

    def launch(self, launch: Launch, stream: int) -> None:
        arguments = _Arguments(launch.addresses)
        _call(
            self.driver.cuLaunchKernel,
            self.driver.CUfunction(launch.kernel),
            *launch.grid,
            *launch.block,
            launch.shared,
            stream,
            arguments.address,
            0,
        )

    def capture(self, stream: int, enqueue: Callable[[], None]) -> Graph:
        """The graph of what `enqueue` enqueues on the stream; it is not run."""
        cu = self.driver
        mode = cu.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        _call(cu.cuStreamBeginCapture, stream, mode)
        try:
            enqueue()
        except BaseException:
            # The stream must not stay in capture, and a broken capture is answered by an error.
            cu.cuStreamEndCapture(stream)
            raise
        graph = _call(cu.cuStreamEndCapture, stream)
        try:
            executable = _call(cu.cuGraphInstantiate, graph, 0)
        except CudaError:
            _call(cu.cuGraphDestroy, graph)
            raise
        return Graph(self, graph, executable)

    def destroy_graph(self, graph: Any, executable: Any) -> None:
        self.make_current()
        _call(self.driver.cuGraphExecDestroy, executable)
        _call(self.driver.cuGraphDestroy, graph)

    def kernel_nodes(self, graph: Any) -> list[tuple[Any, int, int]]:
        """The kernel nodes of a graph: handle, kernel, address of the array of argument pointers.

        The pointers belong to the node and stay valid until it is changed.
        """
        cu = self.driver
        *_, count = _call(cu.cuGraphGetNodes, graph, 0)
        nodes, *_ = _call(cu.cuGraphGetNodes, graph, int(count))
        found: list[tuple[Any, int, int]] = []
        for node in nodes:
            kind = _call(cu.cuGraphNodeGetType, node)
            if kind == cu.CUgraphNodeType.CU_GRAPH_NODE_TYPE_KERNEL:
                parameters = _call(cu.cuGraphKernelNodeGetParams, node)
                found.append((node, int(parameters.func), int(parameters.kernelParams)))
        return found

    def _free(self, address: int) -> None:
        self.make_current()
        _call(self.driver.cuMemFree, address)


@cache
def open_device(ordinal: int = 0) -> Device:
    """The GPU of that number, its primary context current in this thread.

    Raises ToolchainError: cuda-bindings or the driver is missing, there is no such GPU, it is in
    use by someone alone, or its compute capability is below `OLDEST`.
    """
    cu = _import_driver()
    try:
        _call(cu.cuInit, 0)
        count = int(_call(cu.cuDeviceGetCount))
    except CudaError as error:
        raise ToolchainError(f"no GPU can be used: {error.code}", hint=_DRIVER) from error
    except (RuntimeError, OSError) as error:  # as cuda.bindings says that libcuda is missing
        raise ToolchainError("NVIDIA's driver (libcuda) is missing", hint=_DRIVER) from error
    if not 0 <= ordinal < count:
        raise ToolchainError(f"there is no GPU {ordinal}: {count} are visible", hint=_DRIVER)
    device = _call(cu.cuDeviceGet, ordinal)
    properties = _properties(cu, device)
    if properties.capability < OLDEST:
        has, needs = (".".join(map(str, c)) for c in (properties.capability, OLDEST))
        raise ToolchainError(
            f"{properties.name} has compute capability {has}; einnet needs {needs} or newer",
            hint="use a GPU of the Ampere generation or newer, or compile for the CPU",
        )
    try:
        opened = Device(ordinal, properties, cu, _call(cu.cuDevicePrimaryCtxRetain, device))
        opened.make_current()
    except CudaError as error:
        raise ToolchainError(
            f"{properties.name} cannot be used: {error.code}",
            hint="`nvidia-smi` shows who uses the GPU and in which mode it is",
        ) from error
    return opened


def _import_driver() -> Any:
    try:
        return importlib.import_module("cuda.bindings.driver")
    except ImportError as error:
        raise ToolchainError(
            "running on a GPU needs the package cuda-bindings", hint=_INSTALL
        ) from error


def _properties(cu: Any, device: Any) -> Properties:
    attributes = cu.CUdevice_attribute

    def attribute(name: str) -> int:
        key = getattr(attributes, f"CU_DEVICE_ATTRIBUTE_{name}")
        return int(_call(cu.cuDeviceGetAttribute, key, device))

    version = int(_call(cu.cuDriverGetVersion))
    return Properties(
        name=_call(cu.cuDeviceGetName, 256, device).split(b"\0")[0].decode(),
        capability=(
            attribute("COMPUTE_CAPABILITY_MAJOR"),
            attribute("COMPUTE_CAPABILITY_MINOR"),
        ),
        multiprocessors=attribute("MULTIPROCESSOR_COUNT"),
        memory=int(_call(cu.cuDeviceTotalMem, device)),
        l2=attribute("L2_CACHE_SIZE"),
        driver=_release(),
        cuda=f"{version // 1000}.{version % 1000 // 10}",
        bus="-".join(f"{attribute(f'PCI_{part}_ID'):02x}" for part in ("DOMAIN", "BUS", "DEVICE")),
    )


def _release() -> str:
    """The driver's release, such as 580.65.06, where the kernel module tells it."""
    path = Path("/proc/driver/nvidia/version")
    found = re.search(r"\b\d{3}\.\d+(\.\d+)?\b", path.read_text()) if path.is_file() else None
    return found[0] if found else ""


class _Arguments:
    """A kernel's arguments as the driver takes them: an array of pointers to the values. They are
    copied by the call that they are given to."""

    def __init__(self, addresses: Sequence[int]) -> None:
        self._values = np.array(addresses, np.uint64)
        first = self._values.ctypes.data
        self._pointers = first + 8 * np.arange(len(addresses), dtype=np.uint64)
        self.address = self._pointers.ctypes.data if len(addresses) else 0


def _words(pointers: int, count: int) -> tuple[int, ...]:
    """The 8-byte values that the first `count` pointers of an array point to."""
    array = (ctypes.POINTER(ctypes.c_uint64) * count).from_address(pointers) if count else ()
    return tuple(pointer[0] for pointer in array)


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of the driver returns beside its return code, which must be success: None,
    one value or a tuple."""
    code, *values = function(*arguments)
    if int(code):
        raise CudaError(getattr(function, "__name__", "CUDA"), code.name)
    return values[0] if len(values) == 1 else tuple(values) or None


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
