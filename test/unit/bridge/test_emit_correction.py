"""Tensors put together from parts: recognised, in an order that leaves every position right."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from einnet.bridge.emit_correction import assembly_of
from einnet.corrections.recompute import assembled
from einnet.expr.index import var
from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term, Within
from einnet.verify.regions import Box, Slice

SHAPE = (6, 5)
MAIN = Tensor("M", SHAPE)


@st.composite
def slices(draw: st.DrawFn, extent: int) -> Slice:
    start = draw(st.integers(0, extent - 1))
    count, step = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    last = start + step * (min(count, (extent - 1 - start) // step + 1) - 1)
    return Slice(start, last + 1, step)


boxes = st.lists(st.tuples(*map(slices, SHAPE)), min_size=1, max_size=4)


@given(boxes)
def test_parts_inserted_in_order_are_the_tensor(chosen: list[Box]) -> None:
    parts = [
        (box, Tensor(f"C{n}", tuple(len(range(*s)) for s in box))) for n, box in enumerate(chosen)
    ]
    rng = np.random.default_rng(0)
    arrays = {t.name: rng.uniform(-1, 1, t.shape) for t in (MAIN, *(t for _, t in parts))}
    scope = assembled(MAIN, parts)
    expected = evaluate_everywhere(scope, dense(arrays), Float64())
    assembly = assembly_of(scope)
    if assembly is None:
        # Nothing is left of the mutant, or it is read in one piece and nothing else.
        assert len(scope.body) == 1 or not any(
            r.source == MAIN for t in scope.body for r in t.reads
        )
        return
    # A part may take the mutant's place as what the others are put into, if it covers all.
    if assembly.main.source != MAIN:
        return
    found = arrays["M"].copy()
    for part in assembly.parts:
        places = zip(part.starts, part.sizes, part.steps, strict=True)
        where = tuple(slice(a, a + n * step, step) for a, n, step in places)
        source = arrays[part.slice.source.name]
        stretches = part.slice.stretches
        cut = tuple(slice(s.offset, s.offset + s.size * s.step, s.step) for s in stretches)
        found[where] = source[cut].reshape(found[where].shape)
    np.testing.assert_array_equal(found, expected)


def terms(*guards: tuple[tuple[int, int], str]) -> Scope:
    loops = (Iterator("i", 0, 8),)
    body = tuple(
        Term((Read(Tensor(name, (8,)), (var("i"),)),), (Within(var("i"), *bounds),))
        for bounds, name in guards
    )
    return Scope(loops, (), body)


def test_parts_that_overlap_are_added_not_inserted() -> None:
    assert assembly_of(terms(((0, 5), "A"), ((4, 8), "B"))) is None


def test_a_gap_is_zero_not_the_mutant() -> None:
    assert assembly_of(terms(((0, 4), "A"), ((5, 8), "B"))) is None


def test_the_larger_part_is_the_tensor_that_the_other_is_put_into() -> None:
    found = assembly_of(terms(((0, 6), "A"), ((6, 8), "B")))
    assert found is not None
    assert found.main.source == Tensor("A", (8,))
    (part,) = found.parts
    assert (part.starts, part.sizes, part.steps) == ((6,), (2,), (1,))


def test_a_part_inside_another_is_inserted_after_it() -> None:
    found = assembly_of(
        terms(((0, 3), "A"), ((6, 8), "A"), ((3, 4), "B"), ((5, 6), "B"), ((4, 5), "C"))
    )
    assert found is not None
    assert [p.slice.source.name for p in found.parts] in (["B", "C"], ["C", "B"])
    assert [(p.starts, p.sizes, p.steps) for p in found.parts if p.slice.source.name == "B"] == [
        ((3,), (2,), (2,))
    ]
