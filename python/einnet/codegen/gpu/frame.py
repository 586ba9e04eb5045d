"""What every generated kernel has around its body: its name, its parameters, its launch.

The parameters are bare pointers, in MLIR flat memrefs of as many elements as the buffer spans; a
buffer starts at a multiple of 16 bytes (`host.ALIGNMENT` is more), so that an element number that
a vector's length divides is the address of an aligned vector. The buffer that a kernel writes
overlaps none that it reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from mlir import ir
from mlir.dialects import gpu

from einnet.codegen.gpu.context import kernel_context
from einnet.codegen.gpu.host import Buffer
from einnet.errors import InputError
from einnet.expr.nodes import Body, Call, Factor, Read, Scope, Tensor
from einnet.expr.program import Definition
from einnet.expr.text import format_scope
from einnet.expr.transform import rename

MODULE = "kernels"
"""The name of the `gpu.module`."""

MOST_THREADS = 1024
"""Of one block."""


@dataclass(frozen=True)
class Kernel:
    """A generated kernel and how to launch it.

    `symbol` is made of what the kernel computes, on which layouts and in which schedule: equal
    kernels have equal symbols. `module` is the text of a module that holds one `gpu.module` with
    the `gpu.func` of that name. `shared` counts bytes of dynamic shared memory. `arguments` are
    the names of the buffers whose addresses it takes: those it reads, then the one it writes.
    """

    symbol: str
    module: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Launch:
    """Blocks of threads; `workgroup` are the types of static buffers in shared memory, such as
    `memref<32x33xf32, #gpu.address_space<workgroup>>`."""

    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    workgroup: tuple[str, ...] = ()


Memories = Mapping[str, ir.Value]
"""Each tensor's flat memref."""

Emit = Callable[[Memories, Sequence[ir.Value]], None]
"""Writes a kernel's body at the insertion point, given the tensors' memrefs and the workgroup's."""


def write_kernel(
    definition: Definition,
    buffers: Mapping[str, Buffer],
    schedule: object,
    launch: Launch,
    emit: Emit,
) -> Kernel:
    """The kernel whose body `emit` writes, as text.

    `schedule` is a frozen dataclass: its text is part of the kernel's identity. Raises InputError
    for a launch without threads or with too many in a block.
    """
    if not prod(launch.grid) or not 0 < prod(launch.block) <= MOST_THREADS:
        raise InputError(f"no GPU runs blocks of {launch.block} threads in a grid {launch.grid}")
    tensors = (*definition.operands, definition.result)
    symbol = symbol_of(definition, buffers, schedule)
    with kernel_context(), ir.Location.unknown():
        module = ir.Module.create()
        module.operation.attributes["gpu.container_module"] = ir.UnitAttr.get()
        parameters = [memref_type(buffers[t.name]) for t in tensors]
        workgroup = [ir.Type.parse(text) for text in launch.workgroup]
        with ir.InsertionPoint(module.body):
            holder = gpu.GPUModuleOp(MODULE)
        body = holder.bodyRegion.blocks
        block = body[0] if len(body) else body.append()
        with ir.InsertionPoint(block):
            function = gpu.GPUFuncOp(
                ir.FunctionType.get(parameters, []),
                symbol,
                kernel=True,
                known_block_size=list(launch.block),
                known_grid_size=list(launch.grid),
                arg_attrs=_argument_attributes(len(tensors)),
            )
        entry = function.add_entry_block()
        for type_ in workgroup:
            entry.add_argument(type_, ir.Location.unknown())
        if workgroup:
            count = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), len(workgroup))
            function.attributes["workgroup_attributions"] = count
        arguments = list(entry.arguments)
        memories = dict(zip((t.name for t in tensors), arguments, strict=False))
        with ir.InsertionPoint(entry):
            emit(memories, arguments[len(tensors) :])
            gpu.return_([])
        module.operation.verify()
        text = str(module)
    names = tuple(buffers[t.name].name for t in tensors)
    return Kernel(symbol, text, launch.grid, launch.block, 0, names)


def _argument_attributes(tensors: int) -> list[dict[str, ir.Attribute]]:
    """That the result overlaps nothing that is read: loads may go through the read-only cache."""
    alone: dict[str, ir.Attribute] = {"llvm.noalias": ir.UnitAttr.get()}
    read: dict[str, ir.Attribute] = {**alone, "llvm.readonly": ir.UnitAttr.get()}
    return [read] * (tensors - 1) + [alone]


def memref_type(buffer: Buffer) -> ir.MemRefType:
    return ir.MemRefType.get([buffer.elements], ir.Type.parse(buffer.dtype))


def symbol_of(definition: Definition, buffers: Mapping[str, Buffer], schedule: object) -> str:
    """`e_` and 16 hexadecimal digits of what the kernel is, its names aside."""
    tensors = (*definition.operands, definition.result)
    numbers = {t.name: Tensor(f"t{n}", t.shape, t.dtype) for n, t in enumerate(tensors)}
    iterators = definition.scope.traversal + definition.scope.summation
    scope = rename(definition.scope, {i.name: f"i{n}" for n, i in enumerate(iterators)})
    layouts = [(numbers[t.name], buffers[t.name].strides, buffers[t.name].dtype) for t in tensors]
    content = f"{format_scope(_renamed(scope, numbers))}\n{layouts}\n{schedule}"
    return "e_" + hashlib.sha256(content.encode()).hexdigest()[:16]


def _renamed(scope: Scope, tensors: Mapping[str, Tensor]) -> Scope:
    return Scope(scope.traversal, scope.summation, _renamed_body(scope.body, tensors))


def _renamed_body(body: Body, tensors: Mapping[str, Tensor]) -> Body:
    return tuple(
        type(t)(tuple(_renamed_factor(f, tensors) for f in t.factors), t.guards, t.coefficient)
        for t in body
    )


def _renamed_factor(factor: Factor, tensors: Mapping[str, Tensor]) -> Factor:
    if isinstance(factor, Call):
        return Call(factor.function, tuple(_renamed_body(a, tensors) for a in factor.arguments))
    if isinstance(factor.source, Scope):
        return Read(_renamed(factor.source, tensors), factor.index)
    return Read(tensors[factor.source.name], factor.index)
