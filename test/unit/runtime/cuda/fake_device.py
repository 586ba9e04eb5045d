"""A device in host memory: kernels are Python functions over addresses, streams run at once.

What is enqueued during a capture is recorded and runs at each replay, as on a GPU. Freed memory is
overwritten with 0xEE, new memory with 0xAB.
"""

# ruff: noqa: ARG002 (the signatures are the device's)

from __future__ import annotations

import ctypes
import fcntl
import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einnet.codegen.gpu.host import Buffer, HostProgram, KernelLaunch, MatrixProduct, dense
from einnet.runtime.cuda.call import Addresses, Handles
from einnet.runtime.cuda.device import Device, Graph, Launch, Memory, OutOfMemory, Properties

Kernel = Callable[..., None]

PROPERTIES = Properties("Fake GPU", (9, 0), 4, 1 << 20, 1 << 10, "580.1.2", "13.0", "test")


def is_held() -> bool:
    """Whether someone has the lock of the fake GPU."""
    path = Path(tempfile.gettempdir(), f"einnet-gpu-{PROPERTIES.bus}.lock")
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def at(address: int, count: int, dtype: Any = np.float32) -> NDArray[Any]:
    """The elements in memory from an address on."""
    size = count * np.dtype(dtype).itemsize
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address)).view(dtype)


class FakeDevice(Device):
    def __init__(self, kernels: dict[str, Kernel] | None = None, memory: int = 1 << 20) -> None:
        super().__init__(0, PROPERTIES, None, None)
        self._symbols = kernels or {}
        self._kernels: dict[int, Kernel] = {}
        self._blocks: dict[int, tuple[int, NDArray[np.uint8]]] = {}
        self._free_bytes = memory
        self._recorded: list[Callable[[], object]] | None = None
        self._numbers = itertools.count(1)
        self._clock = 0.0
        self.moments: dict[int, float] = {}
        self.loaded: set[int] = set()
        self.copies = 0
        self.algorithms: list[object] = []
        self.graphs: list[FakeGraph] = []

    @property
    def dlpack(self) -> tuple[int, int]:
        return 1, 0

    @property
    def allocated(self) -> int:
        return sum(size for size, _ in self._blocks.values())

    def advance(self, microseconds: float) -> None:
        """Let time pass on the device."""
        self._clock += microseconds

    def make_current(self) -> None:
        pass

    def allocate(self, size: int, what: str) -> Memory:
        if size > self._free_bytes:
            raise OutOfMemory(f"out of GPU memory: {what} need {size} bytes")
        self._free_bytes -= size
        block = np.full(size + 256, 0xAB, np.uint8)
        address = -(-block.ctypes.data // 256) * 256
        self._blocks[address] = (size, block)
        return Memory(address, size, self._free)

    def _free(self, address: int) -> None:
        size, block = self._blocks.pop(address)
        block[:] = 0xEE
        self._free_bytes += size

    @property
    def capturing(self) -> bool:
        return self._recorded is not None

    def enqueue(self, work: Callable[[], object]) -> None:
        """Run it, or record it if a graph is being captured."""
        if self._recorded is None:
            work()
        else:
            self._recorded.append(work)

    def prepare(
        self, call: Any, addresses: Addresses, algorithm: object | None, handles: Handles
    ) -> FakeProduct:
        """What the executor prepares library calls with."""
        self.algorithms.append(algorithm)
        return FakeProduct(self, call, addresses)

    def upload(self, address: int, array: NDArray[Any], stream: int) -> None:
        ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def download(self, address: int, array: NDArray[Any], stream: int) -> None:
        ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def copy(self, destination: int, source: int, size: int, stream: int) -> None:
        self.copies += 1
        self.enqueue(lambda: ctypes.memmove(destination, source, size))

    def fill(self, address: int, byte: int, size: int, stream: int) -> None:
        self.enqueue(lambda: ctypes.memset(address, byte, size))

    def make_stream(self) -> int:
        return next(self._numbers)

    def destroy_stream(self, stream: int) -> None:
        pass

    def synchronize(self, stream: int) -> None:
        pass

    def wait(self, stream: int, other: int) -> None:
        pass

    def make_event(self) -> int:
        return next(self._numbers)

    def destroy_event(self, event: int) -> None:
        pass

    def record(self, event: int, stream: int) -> None:
        self.moments[event] = self._clock

    def elapsed(self, start: int, end: int) -> float:
        return self.moments[end] - self.moments[start]

    def load(self, cubin: bytes, symbol: str) -> tuple[int, int]:
        number = next(self._numbers)
        self._kernels[number] = self._symbols[symbol]
        self.loaded.add(number)
        return number, number

    def unload(self, module: int) -> None:
        self.loaded.remove(module)

    def allow_shared(self, kernel: int, size: int) -> None:
        pass

    def launch(self, launch: Launch, stream: int) -> None:
        kernel = self._kernels[launch.kernel]
        if self._recorded is None:
            kernel(*launch.addresses)
        else:
            self._recorded.append(Node(kernel, launch))

    def capture(self, stream: int, enqueue: Callable[[], None]) -> Graph:
        self._recorded = work = []
        try:
            enqueue()
        finally:
            self._recorded = None
        graph = FakeGraph(self, work)
        self.graphs.append(graph)
        return graph

    def destroy_graph(self, graph: Any, executable: Any) -> None:
        pass


class Node:
    def __init__(self, kernel: Kernel, launch: Launch) -> None:
        self.kernel = kernel
        self.launch = launch

    def __call__(self) -> None:
        self.kernel(*self.launch.addresses)


class FakeGraph(Graph):
    def __init__(self, device: FakeDevice, work: list[Callable[[], object]]) -> None:
        super().__init__(device, None, None)
        self._work = work
        self._found: list[Node] = []
        self.updates = 0

    def launch(self, stream: int) -> None:
        for run in self._work:
            run()

    def find(self, launches: Sequence[Launch]) -> None:
        self._found = [node for node in self._work if isinstance(node, Node)]
        assert [node.launch for node in self._found] == list(launches)

    def update(self, index: int, launch: Launch) -> None:
        self.updates += 1
        assert self._found[index].launch.kernel == launch.kernel
        self._found[index].launch = launch


class FakeProduct:
    """A product of 4x4 matrices, its addresses settled when it was made, as a library's is."""

    workspace = 64

    def __init__(self, device: FakeDevice, call: MatrixProduct, addresses: Addresses) -> None:
        self._device = device
        self._a, self._b, self._d = (addresses(m.buffer) for m in (call.a, call.b, call.d))

    def launch(self, stream: int, workspace: int) -> None:
        assert workspace % 256 == 0
        self._device.enqueue(self._run)

    def _run(self) -> None:
        a, b = (at(address, 16).reshape(4, 4) for address in (self._a, self._b))
        at(self._d, 16)[:] = (a @ b).ravel()


def scale(x: int, y: int) -> None:
    at(y, 16)[:] = 2 * at(x, 16) + 1


def add(x: int, z: int, y: int) -> None:
    at(y, 16)[:] = at(x, 16) + at(z, 16)


KERNELS: dict[str, Kernel] = {"scale": scale, "add": add}
CUBINS = {"scale": b"scale's code", "add": b"add's code"}
CONSTANTS = {"c0": np.arange(16, dtype=np.float32)}


def buffer(name: str, role: Any, offset: int = 0, content: str = "") -> Buffer:
    return Buffer(name, (4, 4), dense((4, 4)), "f32", role, offset, content)


def kernel(symbol: str, *arguments: str) -> KernelLaunch:
    return KernelLaunch(symbol, (1, 1, 1), (32, 1, 1), 0, arguments)


PROGRAM = HostProgram(
    name="main",
    buffers=(
        buffer("x", "input"),
        buffer("y", "output"),
        buffer("t", "temporary"),
        buffer("w", "constant", 0, "c0"),
    ),
    steps=(kernel("scale", "x", "t"), kernel("add", "t", "w", "y")),
    inputs=("x",),
    outputs=("y",),
    arena=64,
    constants=64,
)
"""`y = (2*x + 1) + w`, in generated kernels alone."""
