"""Running a host program on a GPU: its memory, its kernels and one CUDA graph of all its steps.

The program has buffers of its own for inputs and outputs, which a captured graph uses; NumPy
arrays are copied in and out of them. An array that is on the GPU already is used in place where
only generated kernels touch the input or output: its address is written into the graph's kernel
nodes. Where a library call does, the addresses are settled in descriptors, so it is copied on the
device instead.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from einnet.codegen.gpu.host import (
    ALIGNMENT,
    Buffer,
    HostProgram,
    KernelLaunch,
    LibraryCall,
    dense,
    key_of,
)
from einnet.errors import InputError, Location
from einnet.runtime.cuda.algorithm import Record
from einnet.runtime.cuda.arrays import (
    NUMPY_DTYPES,
    check_host,
    is_host,
    make_result,
    maker_of,
    read_device,
)
from einnet.runtime.cuda.call import Addresses, Handles, Prepared
from einnet.runtime.cuda.device import Device, Graph, Launch, Memory
from einnet.runtime.cuda.dlpack import Tensor
from einnet.runtime.cuda.libraries import prepare_call

Array = NDArray[Any]

Prepare = Callable[[LibraryCall, Addresses, Record | None, Handles], Prepared]

VECTOR = 16
"""Generated kernels may read this many bytes at once, from addresses that are multiples of it."""


class CudaProgram:
    """A host program with its kernels and constants on a device.

    `cubins` are by symbol, `constants` by content key and in memory order, `algorithms` by the key
    of the call; a call without one gets its library's first choice. Raises ToolchainError if
    memory or a library is missing, `Unsupported` if a library has nothing for a call, ValueError if
    the program is not whole (`check_program`). `close` frees everything; so does collection.
    """

    def __init__(
        self,
        program: HostProgram,
        device: Device,
        cubins: Mapping[str, bytes],
        constants: Mapping[str, Array],
        algorithms: Mapping[str, Record],
        prepare: Prepare = prepare_call,
    ) -> None:
        check_program(program, cubins, constants)
        self.program = program
        self.device = device
        self._lock = threading.Lock()
        self._graph: Graph | None = None
        device.make_current()
        with ExitStack() as resources:
            self.stream = device.make_stream()
            resources.callback(device.destroy_stream, self.stream)
            self._homes = _place(program, device, self.stream, resources)
            for buffer in _of(program, "constant"):
                device.upload(self._homes[buffer.name], constants[buffer.content], self.stream)
            kernels = _load_kernels(program, device, cubins, resources)
            self._steps = [
                Launch(
                    kernels[step.symbol],
                    step.grid,
                    step.block,
                    step.shared,
                    tuple(self._homes[name] for name in step.arguments),
                )
                if isinstance(step, KernelLaunch)
                else prepare(
                    step, self._homes.__getitem__, algorithms.get(key_of(step)), device.handles
                )
                for step in program.steps
            ]
            self._workspace = _allocate(
                max((s.workspace for s in self._steps if not isinstance(s, Launch)), default=0),
                "the library calls' workspaces",
                device,
                resources,
            )
            settled = {name for call in program.calls for name in call.arguments}
            self._movable = {
                b.name for b in program.buffers if b.role in ("input", "output")
            } - settled
            self._bound = dict(self._homes)
            self._resources = resources.pop_all()
        self._finalizer = weakref.finalize(self, _release, device, self._resources)
        self._finalizer.atexit = False

    def close(self) -> None:
        """Free the device's memory, kernels and graph. The program cannot run any more."""
        self._finalizer()

    @property
    def inputs(self) -> tuple[Buffer, ...]:
        return tuple(self.program.buffer(name) for name in self.program.inputs)

    @property
    def outputs(self) -> tuple[Buffer, ...]:
        return tuple(self.program.buffer(name) for name in self.program.outputs)

    def enqueue(self, stream: int) -> None:
        """Enqueue every step once, on the program's own inputs and outputs."""
        for step in self._steps:
            if isinstance(step, Launch):
                self.device.launch(step, stream)
            else:
                step.launch(stream, self._workspace)

    def capture(self, runs: int = 1) -> Graph:
        """A graph of `runs` runs, one after the other, on the program's own inputs and outputs.

        The steps are first run once outside of it: libraries load code then, which a capture
        forbids.
        """
        self.device.make_current()
        self.enqueue(self.stream)
        self.device.synchronize(self.stream)

        def several() -> None:
            for _ in range(runs):
                self.enqueue(self.stream)

        return self.device.capture(self.stream, several)

    def write_inputs(self, inputs: Mapping[str, Array]) -> None:
        """Copy NumPy arrays into the program's own inputs, as `run` does."""
        self.device.make_current()
        for buffer, array in zip(self.inputs, self._in_order(inputs), strict=True):
            check_host(array, buffer)
            self._upload(buffer, array)

    def read_outputs(self) -> dict[str, Array]:
        """The program's own outputs as NumPy arrays, after what its stream does before."""
        self.device.make_current()
        return {b.name: self._download(b, self._homes[b.name]) for b in self.outputs}

    def check(self, inputs: Mapping[str, Any], locations: Mapping[str, Location]) -> None:
        """Raise InputError for a NumPy input of a wrong shape or dtype, at its location."""
        for buffer in self.inputs:
            value = inputs.get(buffer.name)
            if is_host(value):
                check_host(cast(Array, value), buffer, locations.get(buffer.name))

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Results by name, for inputs by name; see `__call__`."""
        results = self(*self._in_order(inputs))
        return dict(zip(self.program.outputs, results, strict=True))

    def __call__(self, *arrays: Any) -> tuple[Any, ...]:
        """Results in order, for inputs in order: NumPy arrays, or contiguous arrays on the GPU
        that support DLPack or `__cuda_array_interface__`, in any mixture.

        If all inputs are NumPy arrays, so are the results; else the results are on the GPU, of the
        library of the first input that is. They are complete on return, share no memory, and stay
        as they are. Raises InputError for an input of another dtype, shape, layout or device.
        """
        if len(arrays) != len(self.program.inputs):
            raise InputError(
                f"{len(arrays)} inputs are given, the program has {len(self.program.inputs)}",
                hint=f"inputs: {', '.join(self.program.inputs) or 'none'}",
            )
        with self._lock:
            self.device.make_current()
            graph = self._ready()
            resident = [a for a in arrays if not is_host(a)]
            # The tensors must not be collected before the stream has read them.
            given = self._given(arrays)
            addresses = self._bring(arrays, given)
            if resident:
                return self._run_resident(graph, resident[0], addresses)
            self._bind(graph, addresses)
            graph.launch(self.stream)
            return tuple(self._download(b, addresses[b.name]) for b in self.outputs)

    def _run_resident(
        self, graph: Graph, like: object, addresses: dict[str, int]
    ) -> tuple[Any, ...]:
        """Run with results on the device, written in place where they can be."""
        results: list[Any] = []
        copies: list[tuple[int, Buffer]] = []
        placed: set[str] = set()
        for buffer in self.outputs:
            result, address = make_result(maker_of(like), buffer, self.device)
            results.append(result)
            aligned = address % VECTOR == 0
            if self._is_written(buffer) and aligned and buffer.name not in placed:
                addresses[buffer.name] = address
            else:
                copies.append((address, buffer))
            placed.add(buffer.name)
        self._bind(graph, addresses)
        graph.launch(self.stream)
        for address, buffer in copies:
            self.device.copy(address, addresses[buffer.name], buffer.bytes, self.stream)
        self.device.synchronize(self.stream)
        return tuple(results)

    def _is_written(self, buffer: Buffer) -> bool:
        """Whether an output may be anywhere, and is not an input or constant by another name."""
        return buffer.role == "output" and buffer.name in self._movable

    def _in_order(self, inputs: Mapping[str, Any]) -> list[Any]:
        names = self.program.inputs
        wrong = [
            *(f"input '{name}' is missing" for name in names if name not in inputs),
            *(f"'{name}' is no input" for name in inputs if name not in names),
        ]
        if wrong:
            raise InputError("; ".join(wrong), hint=f"inputs: {', '.join(names) or 'none'}")
        return [inputs[name] for name in names]

    def _given(self, arrays: Sequence[Any]) -> list[Tensor | None]:
        """Check every input; the memory of those that are on the device."""
        given: list[Tensor | None] = []
        for buffer, array in zip(self.inputs, arrays, strict=True):
            if is_host(array):
                check_host(array, buffer)
                given.append(None)
            else:
                given.append(read_device(array, buffer, self.device, self.stream))
        return given

    def _bring(self, arrays: Sequence[Any], given: Sequence[Tensor | None]) -> dict[str, int]:
        """Where each buffer is in this run, the inputs having been copied that must be."""
        addresses = dict(self._homes)
        for buffer, array, tensor in zip(self.inputs, arrays, given, strict=True):
            home = self._homes[buffer.name]
            if tensor is None:
                self._upload(buffer, array)
            elif buffer.name in self._movable and tensor.address % VECTOR == 0:
                addresses[buffer.name] = tensor.address
            else:
                self.device.copy(home, tensor.address, buffer.bytes, self.stream)
        return addresses

    def _ready(self) -> Graph:
        """The graph that `run` replays, made by the first run."""
        if self._graph is None:
            graph = self.capture()
            self._resources.callback(_destroy, graph)
            graph.find([s for s in self._steps if isinstance(s, Launch)])
            self._graph = graph
        return self._graph

    def _bind(self, graph: Graph, addresses: dict[str, int]) -> None:
        """Let the graph's kernels use these addresses."""
        index = -1
        for step, launch in zip(self.program.steps, self._steps, strict=True):
            if not isinstance(step, KernelLaunch) or not isinstance(launch, Launch):
                continue
            index += 1
            wanted = tuple(addresses[name] for name in step.arguments)
            if wanted != tuple(self._bound[name] for name in step.arguments):
                graph.update(index, replace(launch, addresses=wanted))
        self._bound = addresses

    def _upload(self, buffer: Buffer, array: Array) -> None:
        home = self._homes[buffer.name]
        self.device.upload(home, np.asarray(array, order="C"), self.stream)

    def _download(self, buffer: Buffer, address: int) -> Array:
        array = np.empty(buffer.shape, NUMPY_DTYPES[buffer.dtype])
        self.device.download(address, array, self.stream)
        return array


def check_program(
    program: HostProgram, cubins: Mapping[str, bytes], constants: Mapping[str, Array]
) -> None:
    """Raise ValueError if a program names what is not there, or would reach outside its memory."""
    names = [b.name for b in program.buffers]
    if len(set(names)) != len(names):
        raise ValueError("two buffers have one name")
    used = {
        *program.inputs,
        *program.outputs,
        *(name for step in program.steps for name in step.arguments),
    }
    if missing := sorted(used - set(names)):
        raise ValueError(f"there is no buffer {', '.join(missing)}")
    if missing := [s for s in program.symbols if s not in cubins]:
        raise ValueError(f"there is no kernel {', '.join(missing)}")
    sizes = {"constant": program.constants, "temporary": program.arena}
    for b in program.buffers:
        if b.dtype not in NUMPY_DTYPES:
            raise ValueError(f"buffer {b.name}: unknown type {b.dtype}")
        if b.role in sizes and not 0 <= b.offset <= sizes[b.role] - b.bytes:
            raise ValueError(f"buffer {b.name} lies outside the memory of its role")
        if b.role == "constant":
            _check_constant(b, constants)
    for name in (*program.inputs, *program.outputs):
        b = program.buffer(name)
        if b.strides != dense(b.shape):
            raise ValueError(f"buffer {name} is not dense")
    for name in program.inputs:
        if program.buffer(name).role != "input":
            raise ValueError(f"input {name} is a buffer of another role")


def _check_constant(buffer: Buffer, constants: Mapping[str, Array]) -> None:
    if buffer.content not in constants:
        raise ValueError(f"there is no constant {buffer.content}")
    array = constants[buffer.content]
    if array.nbytes != buffer.bytes or array.dtype != NUMPY_DTYPES[buffer.dtype]:
        raise ValueError(f"constant {buffer.content} does not fit the buffer {buffer.name}")


def _of(program: HostProgram, *roles: str) -> list[Buffer]:
    return [b for b in program.buffers if b.role in roles]


def _place(
    program: HostProgram, device: Device, stream: int, resources: ExitStack
) -> dict[str, int]:
    """The address of every buffer: one allocation for each role, inputs and outputs together,
    these filled with zeros."""
    constants = _allocate(program.constants, "the constants", device, resources)
    arena = _allocate(program.arena, "the temporaries", device, resources)
    bases = {"constant": constants, "temporary": arena}
    exchanged = _of(program, "input", "output")
    offsets, total = _offsets(exchanged)
    base = _allocate(total, "inputs and outputs", device, resources)
    device.fill(base, 0, total, stream)
    return {
        **{b.name: bases[b.role] + b.offset for b in _of(program, *bases)},
        **{b.name: base + offset for b, offset in zip(exchanged, offsets, strict=True)},
    }


def _offsets(buffers: Iterable[Buffer]) -> tuple[list[int], int]:
    offsets: list[int] = []
    end = 0
    for buffer in buffers:
        offsets.append(end)
        end += -(-buffer.bytes // ALIGNMENT) * ALIGNMENT
    return offsets, end


def _allocate(size: int, what: str, device: Device, resources: ExitStack) -> int:
    memory = device.allocate(size, what)
    resources.callback(_free, memory)
    return memory.address


def _free(memory: Memory) -> None:
    memory.free()


def _destroy(graph: Graph) -> None:
    graph.close()


def _load_kernels(
    program: HostProgram, device: Device, cubins: Mapping[str, bytes], resources: ExitStack
) -> dict[str, int]:
    """The kernels by symbol, each allowed the shared memory that its launches ask for."""
    kernels: dict[str, int] = {}
    for symbol in program.symbols:
        module, kernel = device.load(cubins[symbol], symbol)
        resources.callback(device.unload, module)
        launches = [s for s in program.steps if isinstance(s, KernelLaunch) and s.symbol == symbol]
        device.allow_shared(kernel, max(s.shared for s in launches))
        kernels[symbol] = kernel
    return kernels


def _release(device: Device, resources: ExitStack) -> None:
    device.make_current()
    resources.close()
