"""Corrections end to end: slices of the original, put into place; and what a wrong one would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from definitions import chain, same_results

from einnet.bridge import attributes
from einnet.corrections.boxes import cover, positions
from einnet.corrections.recompute import (
    CORRECTION,
    Failing,
    assembled,
    correct,
    failing,
    program_of,
    restricted,
)
from einnet.corrections.sharing import shared
from einnet.expr.nodes import Scope, Tensor
from einnet.expr.program import Definition, Statement
from einnet.mutations.moves import replay
from einnet.mutations.mutant import unmutated
from einnet.mutations.plan import as_library, batched, plan_of
from einnet.rules.rewrite import Step
from einnet.verify.equivalence import Different, Equal, compare
from einnet.verify.regions import Box, Slice

ROWS = chain(
    "L<n:2,f:2,h:8> S<c:2,r:3> X[n,c,h+r-1] * W[f,c,r]", inputs={"X": (2, 2, 8), "W": (2, 2, 3)}
).definitions[0]
IMAGE = chain(
    "L<n:1,f:2,h:12,w:9> S<c:2,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
    inputs={"X": (1, 2, 12, 9), "W": (2, 2, 3, 3)},
).definitions[0]

SEAM = (Step("merge-borders", (("operand", 0), ("outer", 0), ("inner", 2), ("gap", 0))),)
TILES = tuple(
    Step("split-carry", (("operand", 0), ("dimension", d), ("tile", t), ("halo", 0)))
    for d, t in ((2, 6), (4, 5))
)


def mutant_of(definition: Definition, steps: Sequence[Step]) -> Scope:
    return batched(replay(unmutated(definition.scope), tuple(steps))).scope


def where(definition: Definition, mutant: Scope) -> Failing:
    found = failing([definition], [replace(definition, scope=mutant)])
    assert isinstance(found, Failing)
    return found


def verdict(definition: Definition, statements: Sequence[Statement]) -> Equal | Different:
    reference = program_of([definition], definition.result)
    found = compare(reference, replace(reference, statements=tuple(statements)))
    assert isinstance(found, Equal | Different)
    return found


def corrected(definition: Definition, mutant: Scope, boxes: Sequence[Box]) -> tuple[Statement, ...]:
    main = [replace(definition, scope=mutant)]
    taken = {"X", "W", definition.result.name}
    return correct([definition], main, {definition.result.name: boxes}, as_library, taken)


def test_failing_boxes_are_the_seam() -> None:
    found = where(ROWS, mutant_of(ROWS, SEAM))
    places = {(n, h) for n, _, h in found.boxes["t0"] for n in range(*n) for h in range(*h)}
    assert places == {(0, 7), (1, 0)} | {(0, 0), (1, 7)} or places == {(0, 7), (1, 0)}


@pytest.mark.parametrize(
    ("definition", "steps"), [(ROWS, SEAM), (IMAGE, TILES), (IMAGE, TILES[:1])]
)
@pytest.mark.parametrize("dear", [0.0, 40.0])
def test_a_corrected_mutant_is_equal(
    definition: Definition, steps: Sequence[Step], dear: float
) -> None:
    mutant = mutant_of(definition, steps)
    found = where(definition, mutant)
    boxes = cover(found.boxes["t0"], definition.result.shape, lambda b: dear + positions(b))
    statements = corrected(definition, mutant, boxes)
    assert isinstance(verdict(definition, statements), Equal)
    definitions = tuple(s for s in statements if isinstance(s, Definition))
    assert same_results((definition,), definitions)
    assert all(d.label.startswith(CORRECTION) for d in definitions if d.result != "t0")


def shorter(box: Box) -> list[Box]:
    """The box with one position less at either end of each axis that has more than one."""
    found: list[Box] = []
    for axis, slice_ in enumerate(box):
        values = range(*slice_)
        if len(values) > 1:
            for part in (values[1:], values[:-1]):
                less = Slice(part[0], part[-1] + 1, part.step)
                found.append((*box[:axis], less, *box[axis + 1 :]))
    return found


def test_a_correction_one_row_too_small_is_not_equal() -> None:
    mutant = mutant_of(IMAGE, TILES)
    boxes = cover(where(IMAGE, mutant).boxes["t0"], IMAGE.result.shape, positions)
    tried = 0
    for number, box in enumerate(boxes):
        for less in shorter(box):
            wrong = corrected(IMAGE, mutant, (*boxes[:number], less, *boxes[number + 1 :]))
            assert isinstance(verdict(IMAGE, wrong), Different)
            tried += 1
    assert tried > 8


def test_a_box_left_out_is_not_equal() -> None:
    mutant = mutant_of(ROWS, SEAM)
    boxes = cover(where(ROWS, mutant).boxes["t0"], ROWS.result.shape, positions)
    for number in range(len(boxes)):
        wrong = corrected(ROWS, mutant, (*boxes[:number], *boxes[number + 1 :]))
        assert isinstance(verdict(ROWS, wrong), Different)


def test_a_strided_box_is_computed_by_a_strided_operator() -> None:
    box = (Slice(0, 2, 1), Slice(0, 2, 1), Slice(1, 8, 3))
    part = restricted(ROWS, box, Tensor("part", ()))
    assert part.result.shape == (2, 2, 3)
    (operator,) = (s for s in as_library(part, {"X", "W", "part"}) if getattr(s, "library", None))
    assert isinstance(operator, Definition) and operator.library is not None
    assert "3*h" in str(operator.scope)
    zero = Definition(Tensor("zero", ROWS.result.shape), Scope(ROWS.scope.traversal, (), ()))
    put = replace(ROWS, scope=assembled(zero.result, [(box, part.result)]))
    found = failing([ROWS], [zero, part, put])
    assert isinstance(found, Failing)
    held = {h for *_, h in found.boxes["t0"] for h in range(*h)}
    assert held == {0, 2, 3, 5, 6}


def test_earlier_parts_win_where_boxes_overlap() -> None:
    mutant = mutant_of(ROWS, SEAM)
    whole = tuple(Slice(0, n, 1) for n in ROWS.result.shape)
    left = (*whole[:2], Slice(0, 5, 1))
    statements = corrected(ROWS, mutant, (left, whole))
    assert isinstance(verdict(ROWS, statements), Equal)


@pytest.mark.parametrize(
    ("definition", "steps"), [(ROWS, SEAM), (IMAGE, TILES), (IMAGE, TILES[:1])]
)
def test_the_mutants_own_operator_computes_the_corrections(
    definition: Definition, steps: Sequence[Step]
) -> None:
    mutant = mutant_of(definition, steps)
    boxes = cover(where(definition, mutant).boxes["t0"], definition.result.shape, positions)
    scope = shared(definition.scope, mutant, boxes)
    assert scope is not None
    statements = plan_of(scope, definition.result, {"X", "W", "t0"}, "conv")
    definitions = tuple(s for s in statements if isinstance(s, Definition))
    assert len([d for d in definitions if d.library]) == 1
    assert isinstance(verdict(definition, statements), Equal)
    assert same_results((definition,), definitions)


def test_strips_stay_inside_the_tiles_of_the_operator() -> None:
    definition = chain(
        "L<n:1,f:2,h:6,w:5> S<c:2,r:2,s:1> X[n,c,2*h+r-1,s+w-1] * W[f,c,r,s]",
        inputs={"X": (1, 2, 12, 5), "W": (2, 2, 2, 1)},
    ).definitions[0]
    steps = [replace(s, parameters=(*s.parameters[:2], ("tile", 3), ("halo", 0))) for s in TILES]
    mutant = mutant_of(definition, steps)
    boxes = cover(where(definition, mutant).boxes["t0"], definition.result.shape, positions)
    scope = shared(definition.scope, mutant, boxes)
    assert scope is not None
    assert isinstance(verdict(definition, [replace(definition, scope=scope)]), Equal)


def test_a_box_of_nothing_but_padding_is_left_to_a_kernel() -> None:
    zero = chain(
        "L<n:1,f:2,h:1> S<c:2,r:1> X[n,c,h+r-1] * W[f,c,r]",
        inputs={"X": (1, 2, 8), "W": (2, 2, 1)},
    ).definitions[0]
    assert as_library(zero, {"X", "W", "t0"}) == (zero,)


def test_what_other_weights_compute_is_not_shared() -> None:
    mutant = mutant_of(ROWS, SEAM)
    other = chain(
        "L<n:2,f:2,h:8> S<c:2,r:3> X[n,c,h+r-1] * W[f,c,2-r]",
        inputs={"X": (2, 2, 8), "W": (2, 2, 3)},
    ).definitions[0]
    box = (Slice(0, 1, 1), Slice(0, 2, 1), Slice(7, 8, 1))
    assert shared(other.scope, mutant, [box]) is None


def test_the_bridge_knows_corrections_by_the_same_label() -> None:
    assert attributes.CORRECTION_OF == CORRECTION


def test_operations_of_corrections_are_tagged() -> None:
    from mlir import ir

    from einnet.bridge.emit import emit_program

    mutant = mutant_of(ROWS, SEAM)
    boxes = cover(where(ROWS, mutant).boxes["t0"], ROWS.result.shape, positions)
    main = plan_of(mutant, ROWS.result, {"X", "W", "t0"}, "conv")
    taken = {"X", "W", "t0", *(t.name for s in main for t in s.operands)}
    statements = correct([ROWS], main, {"t0": boxes}, as_library, taken)
    reference = program_of([ROWS], ROWS.result)
    module = emit_program(replace(reference, statements=statements), ir.Context())
    tagged = [
        "einnet.correction" in o.attributes
        for o in module.body.operations[0].regions[0].blocks[0].operations
        if "einnet.kernel" in o.attributes
    ]
    assert any(tagged) and not all(tagged)
