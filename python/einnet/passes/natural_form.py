"""An operation as the operator that it naturally is: with the pads, slices and reshapes before it.

A padded convolution, say, is an operation that pads and one that convolves; mutations and
corrections need the expression of both together.
"""

from __future__ import annotations

from dataclasses import replace

from mlir import ir

from einnet.bridge.lift import lift_operation
from einnet.bridge.natural import natural
from einnet.corrections.recompute import program_of
from einnet.expr.index import constant, iterators_of, var
from einnet.expr.nodes import Read, Scope, Tensor, box_of, factors_of
from einnet.expr.program import Definition
from einnet.mutations.unit_sums import with_unit_sums
from einnet.passes.labelled import Labelled, TensorNames


def naturally(found: Labelled) -> Definition:
    """The operation's expression over what its pads, slices and reshapes read.

    Without the addition of an initial value, which is in `found.rest`; the tensors that it reads
    have names in `found.names`.
    """
    definition = found.definition
    movements: dict[str, Definition] = {}
    _collect([found.names.values[t.name] for t in definition.operands], found.names, movements)
    program = program_of((*movements.values(), definition), definition.result)
    last = natural(program).definitions[-1]
    assert last.result == definition.result
    return replace(last, scope=with_units(last.scope, definition.scope), label=found.label)


def naturally_with_unit_sums(found: Labelled) -> Definition:
    """The same with the sums of one point that the operation is written with, where it reads as it
    is written but for constants."""
    original = naturally(found)
    return replace(original, scope=with_unit_sums(original.scope, found.scope))


def with_units(scope: Scope, written: Scope) -> Scope:
    """The scope with dimensions of one element indexed by iterators of one element, as they are in
    the operation as it is written: a batch of one is a batch."""
    if len(scope.body) != 1 or len(written.body) != 1:
        return scope
    reads = list(scope.term.reads)
    if len(reads) != len(scope.term.factors) or len(reads) != len(written.term.reads):
        return scope
    for iterator in scope.traversal:
        if iterator.extent == 1 and iterator.lo == 0:
            for number, read in enumerate(written.term.reads):
                if any(iterator.name in iterators_of(e) for e in read.index):
                    reads[number] = _indexed(reads[number], iterator.name)
    return replace(scope, body=(replace(scope.term, factors=tuple(reads)),))


def _indexed(read: Read, name: str) -> Read:
    """The read with its first dimension of one element indexed by an iterator that is 0."""
    for dimension, (index, box) in enumerate(zip(read.index, box_of(read.source), strict=True)):
        if index == constant(0) and box.extent == 1:
            index = (*read.index[:dimension], var(name), *read.index[dimension + 1 :])
            return replace(read, index=index)
    return read


def _collect(values: list[ir.Value], names: TensorNames, movements: dict[str, Definition]) -> None:
    """The operations behind the values that only move elements, each after what it reads."""
    for value in values:
        movement = _movement(value, names)
        if movement is not None and movement.result.name not in movements:
            _collect([names.values[t.name] for t in movement.operands], names, movements)
            movements[movement.result.name] = movement


def _movement(value: ir.Value, names: TensorNames) -> Definition | None:
    if isinstance(value.owner, ir.Block) or len(value.owner.results) != 1:
        return None
    definitions = lift_operation(value.owner, names)
    if definitions is None or len(definitions) != 1:
        return None
    (definition,) = definitions
    scope = definition.scope
    reads = [f for f in factors_of(scope.body) if isinstance(f, Read)]
    plain = not scope.summation and len(scope.body) == len(reads) <= 1
    same = all(
        isinstance(r.source, Tensor) and r.source.dtype == definition.result.dtype for r in reads
    )
    return definition if plain and same else None
