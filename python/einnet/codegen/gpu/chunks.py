"""Chunks in memory: a few values side by side, stored and loaded as one vector.

Static shared memory is aligned to its element type alone unless its function says more, and a
vector access that promises more than the address has faults.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlir import ir
from mlir.dialects import arith, memref, vector

from einnet.codegen.gpu.host import BYTES
from einnet.codegen.gpu.values import VECTOR_BYTES


def align_shared(shared: Sequence[ir.Value]) -> None:
    """Let each of a kernel's static buffers in shared memory start at a multiple of 16 bytes.

    `shared` are all of them, as its `gpu.func` has them for arguments.
    """
    if not shared:
        return
    number = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), VECTOR_BYTES)
    aligned = ir.DictAttr.get({"llvm.align": number})
    function = ir.BlockArgument(shared[0]).owner.owner
    function.attributes["workgroup_attrib_attrs"] = ir.ArrayAttr.get([aligned] * len(shared))


def store_chunk(values: Sequence[ir.Value], memory: ir.Value, slot: ir.Value) -> None:
    """Store values at the chunk of that number; the memory is made of chunks of that length."""
    if len(values) == 1:
        memref.store(values[0], memory, [slot])
        return
    vector.store(
        packed(values),
        memory,
        [_start(slot, len(values))],
        alignment=_alignment(memory, len(values)),
    )


def load_chunk(memory: ir.Value, slot: ir.Value, count: int) -> list[ir.Value]:
    """The `count` values of the chunk of that number."""
    if count == 1:
        return [memref.load(memory, [slot])]
    type_ = ir.VectorType.get([count], ir.MemRefType(memory.type).element_type)
    alignment = _alignment(memory, count)
    chunk = vector.load(type_, memory, [_start(slot, count)], alignment=alignment)
    return [vector.extract(chunk, [], [k]) for k in range(count)]


def packed(values: Sequence[ir.Value]) -> ir.Value:
    """The values as a vector."""
    return vector.from_elements(ir.VectorType.get([len(values)], values[0].type), values)


def _start(slot: ir.Value, count: int) -> ir.Value:
    return arith.muli(slot, arith.constant(ir.IndexType.get(), count))


def _alignment(memory: ir.Value, count: int) -> int:
    size = BYTES[str(ir.MemRefType(memory.type).element_type)] * count
    return min(VECTOR_BYTES, size)
