"""What an index visits of a dimension, and tensors that are slices of others, by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifting import context, function_of
from mlir import ir
from mlir.dialects import func

from einnet.bridge.lift import lift_function
from einnet.bridge.slices import emit_sliced, sliced, sliced_definition, stretch
from einnet.expr.index import Index, constant, evaluate, var
from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term
from einnet.expr.program import Definition


@given(
    st.integers(-6, 6),
    st.integers(0, 4),
    st.integers(0, 3),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 9),
)
def test_a_stretch_holds_what_the_index_visits(
    offset: int, stride: int, dilation: int, x: int, y: int, extent: int
) -> None:
    ranges = Scope((Iterator("x", 0, x), Iterator("y", 0, y)), (), ()).ranges
    index = var("x") * stride + var("y") * dilation + offset
    found = stretch(index, extent, ranges)
    values = {"x": np.repeat(np.arange(x), y), "y": np.tile(np.arange(y), x)}
    zero = np.zeros(x * y, np.int64)
    visited = evaluate(index, values.__getitem__, zero)
    inside = visited[(visited >= 0) & (visited < extent)]
    if found is None:
        assert not len(inside)
        return
    places = [found.offset + found.step * (n - found.low) for n in range(found.extent)]
    for place, at in zip(evaluate(found.index, values.__getitem__, zero), visited, strict=True):
        held = found.low <= place < found.low + found.size
        assert places[place] == at
        assert held == (0 <= at < extent)


def test_what_runs_backwards_or_in_divisions_is_no_stretch() -> None:
    ranges = Scope((Iterator("x", 0, 4),), (), ()).ranges
    assert stretch(constant(3) - var("x"), 4, ranges) is None


def moved(index: tuple[Index, ...], extents: dict[str, int], shape: tuple[int, ...]) -> Definition:
    traversal = tuple(Iterator(name, 0, extent) for name, extent in extents.items())
    scope = Scope(traversal, (), (Term((Read(Tensor("X", shape), index),)),))
    return Definition(Tensor("Y", scope.extents), scope)


SLICES = {
    "rows": moved((var("a") + 2, var("b")), {"a": 3, "b": 4}, (6, 4)),
    "every third": moved((var("a") * 3 + 1, var("b")), {"a": 3, "b": 4}, (9, 4)),
    "transposed": moved((var("b"), var("a") * 2), {"a": 3, "b": 4}, (4, 5)),
    "a row, as a column": moved((constant(1), var("a")), {"a": 4, "u": 1}, (3, 4)),
    "units in order": moved((var("u"), var("b"), var("a")), {"a": 3, "b": 4, "u": 1}, (1, 4, 3)),
    "a border": moved((var("a") - 2, var("b")), {"a": 9, "b": 4}, (6, 4)),
}


@pytest.mark.parametrize("definition", SLICES.values(), ids=SLICES.keys())
def test_a_slice_is_emitted_as_what_it_is(definition: Definition) -> None:
    part = sliced_definition(definition)
    assert part is not None
    with context(), ir.Location.unknown():
        module = ir.Module.create()
        types = [
            ir.RankedTensorType.get(t.shape, ir.F32Type.get())
            for t in (part.source, definition.result)
        ]
        with ir.InsertionPoint(module.body):
            function = func.FuncOp("main", (types[:1], types[1:]))
        with ir.InsertionPoint(function.add_entry_block()):
            value, _ = emit_sliced(part, function.arguments[0])
            func.ReturnOp([value])
    assert module.operation.verify() and "linalg.generic" not in str(module)
    x = np.random.default_rng(0).uniform(-1, 1, part.source.shape)
    arrays = {"X": x}
    expected = evaluate_everywhere(definition.scope, dense(arrays), Float64())
    program = lift_function(function_of(module))
    arrays = {program.inputs[0].name: x}
    for statement in program.definitions:
        found = evaluate_everywhere(statement.scope, dense(arrays), Float64())
        arrays[statement.result.name] = found
    np.testing.assert_array_equal(arrays[program.outputs[0].name], expected)


def test_a_diagonal_is_no_slice() -> None:
    scope = Scope((Iterator("a", 0, 3),), (), ())
    assert sliced(Tensor("X", (3, 3)), (var("a"), var("a")), scope) is None
    assert (
        sliced(
            Tensor("X", (3,)), (var("a"),), Scope((*scope.traversal, Iterator("b", 0, 2)), (), ())
        )
        is None
    )
