"""Runs a kernel on NumPy arrays, all threads in lockstep, and faults where a GPU might not.

An operation is one NumPy call over the threads of the whole grid. What is checked on the way: no
access outside a buffer, even of a lane that goes unused; vector accesses aligned as they promise;
no element read that nothing has written; no element of the result left out or written twice, no
gap between its rows written at all; no shared memory exchanged without a barrier; no barrier that
some threads of a block don't reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import erf, prod
from typing import Any

import ml_dtypes
import numpy as np
from mlir import ir
from numpy.typing import NDArray

from einnet.codegen.gpu.frame import Kernel
from einnet.codegen.gpu.host import Buffer
from einnet.toolchain.mlir import make_context

Array = NDArray[Any]

_SHARED_BYTES = 48 * 1024

DTYPES: dict[str, Any] = {
    "i1": np.bool_,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "index": np.int64,
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "f32": np.float32,
    "f64": np.float64,
}
"""The array element types of MLIR's."""

WARP = 32


class FaultError(Exception):
    """The kernel did what no kernel may do."""


def run(kernel: Kernel, buffers: Mapping[str, Buffer], arrays: Mapping[str, Array]) -> Array:
    """The result of the kernel. `arrays` are what it reads, by the tensors' names, as `buffers`.

    They are laid out by the buffers' strides, the gaps poisoned. Raises FaultError.
    """
    named = {b.name: b for b in buffers.values()}
    by_buffer = {buffers[name].name: array for name, array in arrays.items()}
    *reads, result = (named[name] for name in kernel.arguments)
    memories = [Memory.laid_out(b, by_buffer[b.name]) for b in reads]
    output = Memory.empty(result.name, result.elements, result.dtype)
    _Grid(kernel, [*memories, output]).run()
    places = _places(result)
    if not output.written[places].all():
        raise FaultError(f"{np.sum(~output.written[places])} elements of the result are unwritten")
    if output.written.sum() != prod(result.shape):
        raise FaultError("the gaps of the result are written")
    return output.data[places]


def run_on(kernel: Kernel, memories: list[Memory]) -> None:
    """Run the kernel on memories, one for each of its parameters. Raises FaultError."""
    _Grid(kernel, memories).run()


def _places(buffer: Buffer) -> NDArray[np.int64]:
    places = np.zeros(buffer.shape, np.int64)
    for dimension, stride in enumerate(buffer.strides):
        steps = np.arange(buffer.shape[dimension]) * stride
        places += steps.reshape([-1 if d == dimension else 1 for d in range(len(buffer.shape))])
    return places


@dataclass
class Memory:
    """Memory of one element type; shared memory has one such `data` for each block, in turn."""

    name: str
    data: Array
    written: NDArray[np.bool_]
    read_only: bool = False
    shape: tuple[int, ...] = ()
    shared: bool = False
    writer: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    wrote: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    reader: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    looked: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @staticmethod
    def empty(name: str, elements: int, dtype: str) -> Memory:
        kind = np.dtype(DTYPES[dtype])
        poison = 0x55 if kind.kind in "ib" else np.nan
        return Memory(
            name, np.full(elements, poison, kind), np.zeros(elements, bool), shape=(elements,)
        )

    @staticmethod
    def laid_out(buffer: Buffer, array: Array) -> Memory:
        memory = Memory.empty(buffer.name, buffer.elements, buffer.dtype)
        places = _places(buffer)
        if array.shape != buffer.shape or array.dtype != memory.data.dtype:
            raise ValueError(f"{array.dtype}{array.shape} for {buffer}")
        memory.data[places] = array
        memory.written[places] = True
        memory.read_only = True
        return memory

    @staticmethod
    def workgroup(name: str, shape: tuple[int, ...], dtype: str, blocks: int) -> Memory:
        elements = prod(shape) * blocks
        memory = Memory.empty(name, elements, dtype)
        memory.shape, memory.shared = shape, True
        memory.writer, memory.reader = np.full(elements, -1), np.full(elements, -1)
        memory.wrote, memory.looked = np.full(elements, -1), np.full(elements, -1)
        return memory


Value = Any
"""A scalar of each thread (threads,), a vector of each (threads, lanes), or a `Memory`."""


class _Grid:
    """The threads of all blocks, and what each value of the kernel is in each of them."""

    def __init__(self, kernel: Kernel, memories: list[Memory]) -> None:
        self.kernel = kernel
        self.memories = memories
        self.blocks, self.per_block = prod(kernel.grid), prod(kernel.block)
        self.threads = self.blocks * self.per_block
        number = np.arange(self.threads, dtype=np.int64)
        self.local, self.block_number = number % self.per_block, number // self.per_block
        self.values: dict[ir.Value, Value] = {}
        self.epoch = 0

    def run(self) -> None:
        with make_context(), ir.Location.unknown():
            module = ir.Module.parse(self.kernel.module)
            function = _find(module, self.kernel.symbol)
            entry = function.regions[0].blocks[0]
            arguments = list(entry.arguments)
            for argument, memory in zip(arguments, self.memories, strict=False):
                type_ = ir.MemRefType(argument.type)
                if (type_.shape[0], DTYPES[str(type_.element_type)]) != (
                    memory.data.size,
                    memory.data.dtype,
                ):
                    raise FaultError(f"{memory.name} is passed as {type_}")
                self.values[argument] = memory
            for number, argument in enumerate(arguments[len(self.memories) :]):
                self.values[argument] = self._workgroup(f"shared {number}", argument.type)
            self._check_shared()
            with np.errstate(all="ignore"):
                self.block(entry, np.ones(self.threads, bool))

    def _check_shared(self) -> None:
        """A block has 48 KB of static shared memory."""
        memories = [m for m in self.values.values() if isinstance(m, Memory) and m.shared]
        held = sum(m.data.nbytes for m in memories) // self.blocks
        if held > _SHARED_BYTES:
            raise FaultError(f"{held} bytes of shared memory")

    def _workgroup(self, name: str, type_: ir.Type) -> Memory:
        memref = ir.MemRefType(type_)
        return Memory.workgroup(name, tuple(memref.shape), str(memref.element_type), self.blocks)

    def block(self, block: ir.Block, active: NDArray[np.bool_]) -> list[Value]:
        """Run the block's operations in the active threads; what it yields."""
        for op in block.operations:
            operation = op.operation
            if operation.name in ("scf.yield", "gpu.return"):
                return [self.values[v] for v in operation.operands]
            results = self.operation(operation, active)
            for result, value in zip(operation.results, results, strict=True):
                self.values[result] = value
        return []

    def operation(self, op: ir.Operation, active: NDArray[np.bool_]) -> list[Value]:
        operands = [self.values[v] for v in op.operands]
        special = getattr(self, "_" + op.name.replace(".", "_"), None)
        if special is not None:
            return special(op, operands, active)
        compute = _COMPUTE.get(op.name)
        if compute is None:
            raise NotImplementedError(f"the emulator does not know {op.name}")
        dtype = _dtype(op.results[0].type)
        return [np.asarray(compute(*operands)).astype(dtype)]

    # Operations that need more than their operands' values.

    def _arith_constant(self, op: ir.Operation, _: list[Value], __: Array) -> list[Value]:
        attribute = op.attributes["value"]
        dtype = _dtype(op.results[0].type)
        if isinstance(attribute, ir.DenseElementsAttr):
            lanes = ir.VectorType(op.results[0].type).shape[0]
            splat = np.array(_number(attribute.get_splat_value())).astype(dtype)
            return [np.full((self.threads, lanes), splat)]
        return [np.full(self.threads, np.array(_number(attribute)).astype(dtype))]

    def _arith_cmpi(self, op: ir.Operation, operands: list[Value], _: Array) -> list[Value]:
        a, b = operands
        predicate = _integer(op.attributes["predicate"])
        if predicate >= 6:
            a, b = _unsigned(a), _unsigned(b)
            predicate -= 4
        compare = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
        return [compare[predicate](a, b)]

    def _arith_cmpf(self, op: ir.Operation, operands: list[Value], _: Array) -> list[Value]:
        a, b = operands
        unordered = np.isnan(a) | np.isnan(b)
        predicate = _integer(op.attributes["predicate"])
        table = (np.equal, np.greater, np.greater_equal, np.less, np.less_equal, np.not_equal)
        if predicate in (0, 15):
            return [np.full(a.shape, predicate == 15)]
        if predicate in (7, 14):
            return [unordered if predicate == 14 else ~unordered]
        if predicate < 7:
            return [table[predicate - 1](a, b) & ~unordered]
        return [table[predicate - 8](a, b) | unordered]

    def _arith_bitcast(self, op: ir.Operation, operands: list[Value], _: Array) -> list[Value]:
        return [np.ascontiguousarray(operands[0]).view(_dtype(op.results[0].type))]

    def _llvm_call_intrinsic(
        self, op: ir.Operation, operands: list[Value], _: Array
    ) -> list[Value]:
        return [_INTRINSICS[ir.StringAttr(op.attributes["intrin"]).value](*operands)]

    def _gpu_thread_id(self, op: ir.Operation, _: list[Value], __: Array) -> list[Value]:
        return [_coordinate(self.local, self.kernel.block, op)]

    def _gpu_block_id(self, op: ir.Operation, _: list[Value], __: Array) -> list[Value]:
        return [_coordinate(self.block_number, self.kernel.grid, op)]

    def _gpu_lane_id(self, _: ir.Operation, __: list[Value], ___: Array) -> list[Value]:
        return [self.local % WARP]

    def _gpu_barrier(self, _: ir.Operation, __: list[Value], active: Array) -> list[Value]:
        arrived = active.reshape(self.blocks, self.per_block)
        if (arrived.any(1) != arrived.all(1)).any():
            raise FaultError("some threads of a block do not reach a barrier")
        self.epoch += 1
        return []

    def _gpu_shuffle(self, op: ir.Operation, operands: list[Value], active: Array) -> list[Value]:
        value, distance, width = operands
        lane = self.local % WARP
        mode = str(op.attributes["mode"]).rpartition(" ")[2].rstrip(">")
        start = lane // width * width
        source = {
            "xor": lane ^ distance,
            "down": lane + distance,
            "up": lane - distance,
            "idx": start + distance,
        }[mode]
        valid = (source >= start) & (source < start + width)
        thread = np.arange(self.threads) + np.where(valid, source - lane, 0)
        partial = self.per_block % WARP and (self.local - lane + source >= self.per_block)
        if np.any(partial & valid & active) or not active[thread[active]].all():
            raise FaultError("a shuffle with a thread that does not take part")
        return [value[thread], valid]

    def _memref_alloca(self, op: ir.Operation, _: list[Value], __: Array) -> list[Value]:
        return [self._workgroup("alloca", op.results[0].type)]

    def _memref_load(self, _: ir.Operation, operands: list[Value], active: Array) -> list[Value]:
        memory, *index = operands
        return [self._read(memory, self._flat(memory, index, 1, active), active)]

    def _memref_store(self, _: ir.Operation, operands: list[Value], active: Array) -> list[Value]:
        value, memory, *index = operands
        self._write(memory, self._flat(memory, index, 1, active), value, active)
        return []

    def _vector_load(self, op: ir.Operation, operands: list[Value], active: Array) -> list[Value]:
        memory, *index = operands
        lanes = ir.VectorType(op.results[0].type).shape[0]
        flat = self._flat(memory, index, lanes, active)
        self._aligned(op, memory, flat, active)
        read = [self._read(memory, flat + lane, active) for lane in range(lanes)]
        return [np.stack(read, axis=1)]

    def _vector_store(self, op: ir.Operation, operands: list[Value], active: Array) -> list[Value]:
        value, memory, *index = operands
        lanes = value.shape[1]
        flat = self._flat(memory, index, lanes, active)
        self._aligned(op, memory, flat, active)
        for lane in range(lanes):
            self._write(memory, flat + lane, value[:, lane], active)
        return []

    def _vector_extract(self, op: ir.Operation, operands: list[Value], _: Array) -> list[Value]:
        (lane,) = ir.DenseI64ArrayAttr(op.attributes["static_position"])
        return [operands[0][:, lane]]

    def _vector_from_elements(
        self, _: ir.Operation, operands: list[Value], __: Array
    ) -> list[Value]:
        return [np.stack(operands, axis=1)]

    def _vector_broadcast(self, op: ir.Operation, operands: list[Value], _: Array) -> list[Value]:
        lanes = ir.VectorType(op.results[0].type).shape[0]
        return [np.repeat(operands[0].reshape(self.threads, 1), lanes, axis=1)]

    def _scf_if(self, op: ir.Operation, operands: list[Value], active: Array) -> list[Value]:
        (condition,) = operands
        branches = [
            self.block(region.blocks[0], active & taken) if len(region.blocks) else []
            for region, taken in zip(op.regions, (condition, ~condition), strict=True)
        ]
        if not op.results:
            return []
        return [np.where(_column(condition, a), a, b) for a, b in zip(*branches, strict=True)]

    def _scf_for(self, op: ir.Operation, operands: list[Value], active: Array) -> list[Value]:
        low, high, step, *carried = operands
        body = op.regions[0].blocks[0]
        counter, *inner = body.arguments
        while (running := active & (low < high)).any():
            self.values[counter] = low
            self.values.update(zip(inner, carried, strict=True))
            after = self.block(body, running)
            carried = [
                np.where(_column(running, b), a, b) for a, b in zip(after, carried, strict=True)
            ]
            low = low + step
        return carried

    # Memory.

    def _flat(self, memory: Memory, index: list[Value], lanes: int, active: Array) -> Array:
        """The number of the element, in the block's part of shared memory."""
        flat = np.zeros(self.threads, np.int64)
        for e, extent, last in zip(
            index, memory.shape, [False] * (len(index) - 1) + [True], strict=True
        ):
            e = np.where(active, e, 0)
            beyond = e + (lanes if last else 1) > extent
            if ((e < 0) | beyond)[active].any():
                worst = e[active][((e < 0) | beyond)[active]][0]
                raise FaultError(f"{memory.name}: {lanes} elements at {worst} of {extent}")
            flat = flat * extent + e
        return flat + self.block_number * prod(memory.shape) if memory.shared else flat

    def _aligned(self, op: ir.Operation, memory: Memory, flat: Array, active: Array) -> None:
        if "alignment" not in op.attributes:
            raise FaultError(f"{op.name} without alignment")
        alignment = _integer(op.attributes["alignment"])
        # Each block's shared memory begins at an address of its own.
        start = self.block_number * prod(memory.shape) if memory.shared else 0
        if ((flat - start)[active] * memory.data.itemsize % alignment).any():
            raise FaultError(f"{memory.name}: an address is no multiple of {alignment} bytes")

    def _read(self, memory: Memory, flat: Array, active: Array) -> Array:
        places = flat[active]
        threads = np.arange(self.threads)[active]
        if memory.shared:
            foreign = (memory.wrote[places] == self.epoch) & (memory.writer[places] != threads)
            if foreign.any():
                raise FaultError("shared memory is read before the barrier after it was written")
            seen = memory.looked[places] == self.epoch
            others = seen & (memory.reader[places] != threads)
            memory.looked[places] = self.epoch
            memory.reader[places] = threads
            memory.reader[places[others]] = -2
            # Several threads in this very read.
            counts = np.bincount(places, minlength=memory.data.size)
            memory.reader[counts > 1] = -2
        if not memory.written[places].all() and not memory.read_only:
            raise FaultError(f"{memory.name} is read where nothing was written")
        value = np.zeros(self.threads, memory.data.dtype)
        value[active] = memory.data[places]
        return value

    def _write(self, memory: Memory, flat: Array, value: Array, active: Array) -> None:
        places = flat[active]
        threads = np.arange(self.threads)[active]
        if memory.read_only:
            raise FaultError(f"{memory.name} is written")
        if len(np.unique(places)) < len(places):
            raise FaultError(f"{memory.name}: two threads write one element")
        if memory.shared:
            clash = (memory.wrote[places] == self.epoch) & (memory.writer[places] != threads)
            clash |= (memory.looked[places] == self.epoch) & (memory.reader[places] != threads)
            if clash.any():
                raise FaultError("shared memory is overwritten before a barrier")
            memory.wrote[places], memory.writer[places] = self.epoch, threads
        elif memory.written[places].any():
            raise FaultError(f"{memory.name}: an element is written twice")
        memory.written[places] = True
        memory.data[places] = np.broadcast_to(value, (self.threads,))[active]


def _find(module: ir.Module, symbol: str) -> ir.Operation:
    for holder in module.body.operations:
        if holder.operation.name != "gpu.module":
            continue
        for op in holder.operation.regions[0].blocks[0].operations:
            if op.operation.name != "gpu.func":
                continue
            if ir.StringAttr(op.operation.attributes["sym_name"]).value == symbol:
                return op.operation
    raise LookupError(symbol)


def _coordinate(number: Array, extents: tuple[int, int, int], op: ir.Operation) -> Array:
    axis = _integer_of_dimension(op)
    return number // prod(extents[:axis]) % extents[axis]


def _integer_of_dimension(op: ir.Operation) -> int:
    return "xyz".index(str(op.attributes["dimension"]).rpartition(" ")[2].rstrip(">"))


def _integer(attribute: ir.Attribute) -> int:
    return ir.IntegerAttr(attribute).value


def _number(attribute: Any) -> Any:
    if isinstance(attribute, ir.BoolAttr | ir.IntegerAttr | ir.FloatAttr):
        return attribute.value
    return attribute


def _dtype(type_: ir.Type) -> Any:
    if isinstance(type_, ir.VectorType):
        type_ = type_.element_type
    return DTYPES[str(type_)]


def _column(condition: Array, value: Array) -> Array:
    return condition if value.ndim == 1 else condition[:, None]


def _unsigned(value: Array) -> Array:
    return value if value.dtype == bool else value.view(f"u{value.dtype.itemsize}")


def _on_unsigned(compute: Callable[..., Array]) -> Callable[..., Array]:
    return lambda *operands: compute(*map(_unsigned, operands))


def _truncated(compute: Callable[..., Array]) -> Callable[..., Array]:
    """Signed division towards zero."""

    def divide(a: Array, b: Array) -> Array:
        return compute(np.abs(a), np.abs(b)) * np.sign(a) * np.sign(b)

    return divide


def _same(a: Array) -> Array:
    """For conversions: `_Grid.operation` gives every result its type."""
    return a


def _sign_extended(a: Array) -> Array:
    return -a.astype(np.int8) if a.dtype == bool else a


def _fused(a: Array, b: Array, c: Array) -> Array:
    return a * b + c


def _select(condition: Array, a: Array, b: Array) -> Array:
    return np.where(_column(condition, a), a, b)


_INTRINSICS: dict[str, Callable[..., Any]] = {"llvm.sqrt": np.sqrt}

_COMPUTE: dict[str, Callable[..., Any]] = {
    "arith.addi": np.add,
    "arith.subi": np.subtract,
    "arith.muli": np.multiply,
    "arith.divui": _on_unsigned(np.floor_divide),
    "arith.remui": _on_unsigned(np.remainder),
    "arith.divsi": _truncated(np.floor_divide),
    "arith.floordivsi": np.floor_divide,
    "arith.andi": np.bitwise_and,
    "arith.ori": np.bitwise_or,
    "arith.xori": np.bitwise_xor,
    "arith.shli": np.left_shift,
    "arith.shrsi": np.right_shift,
    "arith.shrui": _on_unsigned(np.right_shift),
    "arith.maxsi": np.maximum,
    "arith.minsi": np.minimum,
    "arith.maxui": _on_unsigned(np.maximum),
    "arith.minui": _on_unsigned(np.minimum),
    "arith.select": _select,
    "arith.index_cast": _same,
    "arith.index_castui": _unsigned,
    "arith.extsi": _sign_extended,
    "arith.extui": _unsigned,
    "arith.trunci": _same,
    "arith.sitofp": _same,
    "arith.uitofp": _unsigned,
    "arith.fptosi": _same,
    "arith.extf": _same,
    "arith.truncf": _same,
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "arith.negf": np.negative,
    "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
    "arith.maxnumf": np.fmax,
    "arith.minnumf": np.fmin,
    "math.fma": _fused,
    "math.tanh": np.tanh,
    "math.exp": np.exp,
    "math.log": np.log,
    "math.sqrt": np.sqrt,
    "math.erf": np.vectorize(erf, otypes=[np.float64]),
    "math.absi": np.abs,
}
