"""Every buffer of a compiled function is an argument: inputs, results and workspace slots.

After bufferization `@main` allocates and returns memrefs. A call of malloc for each intermediate
costs page faults at each run, so allocations become views of byte buffers that the caller owns:
the buffer of a result where the allocation is what is returned, else a *slot*. Buffers that are
never alive at the same time share a slot. Two slots never overlap, hence every argument is
`noalias`: without that LLVM would guard or give up the vectorization of each loop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from mlir import ir
from mlir.dialects import arith, func, linalg, memref

from einnet.codegen.cpu.signature import Tensor
from einnet.codegen.cpu.walk import defining, walk
from einnet.errors import InputError


@dataclass
class _Slot:
    """A workspace buffer while it is being shared out: `free_after` is the last use so far."""

    nbytes: int
    free_after: int
    allocations: list[ir.Operation] = field(default_factory=list)


# What cannot refer to a buffer; any other result of an operation on a buffer may.
_SCALARS = (ir.IntegerType, ir.FloatType, ir.IndexType, ir.VectorType)
# Operations that return a memref of the same elements as their first operand, in the same order.
_RESHAPES = frozenset({"memref.collapse_shape", "memref.expand_shape", "memref.cast"})


def place_buffers(function: func.FuncOp, results: tuple[Tensor, ...]) -> tuple[int, ...]:
    """Give `function` result and slot arguments instead of results and allocations.

    `results` are the tensors it returns. Returns the size in bytes of each slot. Raises
    `InputError` for a buffer of unknown size and for one allocated inside a loop.
    """
    block = function.entry_block
    returned = block.operations[len(block.operations) - 1].operation
    taken = _place_results(function, returned, results)
    allocations = [op for op in walk(function.operation) if op.name == "memref.alloc"]
    slots = _share([op for op in allocations if op not in taken], block)
    for slot in slots:
        argument = _add_bytes(block, slot.nbytes, function.location)
        for allocation in slot.allocations:
            _become_view(allocation, argument)
    _become_void(function, returned)
    return tuple(slot.nbytes for slot in slots)


def copies_to_loops(function: func.FuncOp) -> None:
    """`memref.copy` between layouts would need MLIR's run-time library; make loops of it."""
    for op in [op for op in walk(function.operation) if op.name == "memref.copy"]:
        source, target = (ir.MemRefType(operand.type) for operand in op.operands)
        if all(isinstance(t.layout, ir.AffineMapAttr) for t in (source, target)):
            continue
        with ir.InsertionPoint(op), op.location:
            linalg.copy(op.operands[0], outs=[op.operands[1]])
        op.erase()


def _place_results(
    function: func.FuncOp, returned: ir.Operation, results: tuple[Tensor, ...]
) -> set[ir.Operation]:
    """Compute each result in its argument; the allocations that this replaced."""
    taken: set[ir.Operation] = set()
    for index, tensor in enumerate(results):
        value = returned.operands[
            index
        ]  # not read ahead: a placed allocation becomes another value
        argument = _add_bytes(function.entry_block, tensor.nbytes, function.location)
        allocation = _allocation_behind(value)
        if allocation is not None:
            taken.add(allocation)
            _become_view(allocation, argument, erase=False)
            continue
        # A result that is an argument, a constant, a slice, or returned twice is copied.
        with ir.InsertionPoint(returned), returned.location:
            type_ = ir.MemRefType.get(list(tensor.shape), ir.MemRefType(value.type).element_type)
            memref.copy(value, _view(argument, type_))
    for allocation in taken:
        allocation.erase()
    return taken


def _allocation_behind(value: ir.Value) -> ir.Operation | None:
    op = defining(value)
    while op is not None and op.name in _RESHAPES:
        op = defining(op.operands[0])
    return op if op is not None and op.name == "memref.alloc" else None


def _share(allocations: list[ir.Operation], block: ir.Block) -> list[_Slot]:
    """Slots for `allocations`: in the order of first use, the free slot of the closest size."""
    positions = {op.operation: index for index, op in enumerate(block.operations)}
    lifetimes: list[tuple[int, int, ir.Operation]] = []
    for allocation in allocations:
        if allocation not in positions:
            raise InputError(
                "a buffer is allocated inside a loop and its value carried on",
                hint="the CPU target needs loops whose carried tensors are updated in place",
            )
        uses = [positions[use] for use in _uses(allocation, positions)] or [positions[allocation]]
        lifetimes.append((min(uses), max(uses), allocation))
    slots: list[_Slot] = []
    for first, last, allocation in sorted(lifetimes, key=lambda lifetime: lifetime[:2]):
        nbytes = _nbytes(ir.MemRefType(allocation.results[0].type))
        free = [slot for slot in slots if slot.free_after < first]
        # The smallest that is large enough, else the largest, which then grows.
        fitting = min((s for s in free if s.nbytes >= nbytes), key=lambda s: s.nbytes, default=None)
        slot = fitting or max(free, key=lambda s: s.nbytes, default=None)
        if slot is None:
            slot = _Slot(0, -1)
            slots.append(slot)
        slot.nbytes = max(slot.nbytes, nbytes)
        slot.free_after = last
        slot.allocations.append(allocation)
    return slots


def _uses(allocation: ir.Operation, positions: dict[ir.Operation, int]) -> list[ir.Operation]:
    """The operations of the function's block that use `allocation` or any view of it."""
    pending, uses, seen = list(allocation.results), list[ir.Operation](), set[ir.Operation]()
    while pending:
        for use in pending.pop().uses:
            op = use.owner.operation
            while op not in positions:
                # What a nested operation yields, its parent returns.
                pending.extend(_views_unless(op in seen, op))
                seen.add(op)
                parent = op.parent
                assert parent is not None, "an operation outside of the function uses its buffer"
                op = parent.operation
            uses.append(op)
            pending.extend(_views_unless(op in seen, op))
            seen.add(op)
    return uses


def _views_unless(seen: bool, op: ir.Operation) -> list[ir.OpResult]:
    return [] if seen else [r for r in op.results if not isinstance(r.type, _SCALARS)]


def _add_bytes(block: ir.Block, nbytes: int, location: ir.Location) -> ir.Value:
    i8 = ir.IntegerType.get_signless(8)
    return block.add_argument(ir.MemRefType.get([nbytes], i8), location)


def _become_view(allocation: ir.Operation, argument: ir.Value, erase: bool = True) -> None:
    with ir.InsertionPoint(allocation), allocation.location:
        view = _view(argument, ir.MemRefType(allocation.results[0].type))
    allocation.results[0].replace_all_uses_with(view)
    if erase:
        allocation.erase()


def _view(argument: ir.Value, type_: ir.MemRefType) -> ir.Value:
    zero = arith.constant(ir.IndexType.get(), 0)
    return memref.view(type_, argument, zero, [])


def _become_void(function: func.FuncOp, returned: ir.Operation) -> None:
    with ir.InsertionPoint(returned), returned.location:
        func.ReturnOp([])
    returned.erase()
    arguments = [argument.type for argument in function.entry_block.arguments]
    signature = ir.FunctionType.get(arguments, [])
    noalias = ir.DictAttr.get({"llvm.noalias": ir.UnitAttr.get()})
    function.attributes["function_type"] = ir.TypeAttr.get(signature)
    function.attributes["arg_attrs"] = ir.ArrayAttr.get([noalias] * len(arguments))
    if "res_attrs" in function.attributes:
        del function.attributes["res_attrs"]


def _nbytes(type_: ir.MemRefType) -> int:
    if not type_.has_static_shape:
        raise InputError(f"a buffer {type_} has no static shape")
    element = type_.element_type
    if not isinstance(element, ir.IntegerType | ir.FloatType | ir.IndexType):
        raise InputError(f"a buffer {type_}: the CPU target has no such element type")
    width = 64 if isinstance(element, ir.IndexType) else element.width
    return math.prod(type_.shape) * -(-width // 8)
