"""Columns relaxed to whole vectors: the plan, what it is proved to be, when it is not offered."""

import pytest

from einnet.expr.check import check_program
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Program, Statement, Windowed, splice
from einnet.expr.text import parse_scope
from einnet.operators import contraction
from einnet.operators.cost import h100
from einnet.program.alignment import aligned
from einnet.program.convolutions import as_written, channels_last
from einnet.program.subprograms import LIBRARIES, LIMITS, derive
from einnet.verify.plan import VerifiedProgram, verify_plan

NHWC = "L<n:2,h:6,w:7,f:{f}> S<c:16,r:1,s:3> X[n,h+r,w+s-1,c] * W[f,c,r,s]"


def convolution(f: int, text: str = NHWC) -> Program:
    tensors = {"X": Tensor("X", (2, 6, 7, 16)), "W": Tensor("W", (f, 16, 1, 3))}
    scope = parse_scope(text.format(f=f), tensors)
    result = Tensor("Y", scope.extents)
    definition = Definition(result, scope, "conv")
    return Program("main", tuple(tensors.values()), (definition,), (result,), frozenset({"W"}))


def plan_of(program: Program) -> tuple[Statement, ...]:
    (definition,) = program.definitions
    match = as_written(definition)
    assert match is not None
    taken = {"X", "W", "Y"}
    return channels_last(contraction.plan(match, definition.result, taken, "conv"), taken)


@pytest.mark.parametrize(("filters", "unit", "wider"), [(21, 8, 24), (21, 4, 24), (3, 8, 8)])
def test_filters_become_a_multiple(filters: int, unit: int, wider: int) -> None:
    program = convolution(filters)
    taken = {"X", "W", "Y"}
    plan = aligned(plan_of(program), unit, frozenset({"W"}), taken)
    assert plan is not None
    changed = splice(program, {"Y": plan})
    check_program(changed)
    (operator,) = [d for d in changed.definitions if isinstance(d.library, Windowed)]
    assert operator.result.shape == (2, 6, 7, wider)
    assert changed.outputs[0].shape == (2, 6, 7, filters)
    assert isinstance(verify_plan(program, changed), VerifiedProgram)


def test_what_follows_reads_the_wider_result() -> None:
    program = convolution(21, "L<n:2,f:{f},h:6,w:7> S<c:16,r:1,s:3> X[n,h+r,w+s-1,c] * W[f,c,r,s]")
    written = plan_of(program)
    assert len(written) > 2
    plan = aligned(written, 8, frozenset({"W"}), {"X", "W", "Y"})
    assert plan is not None
    assert len(plan) == len(written) + 1
    changed = splice(program, {"Y": plan})
    check_program(changed)
    assert isinstance(verify_plan(program, changed), VerifiedProgram)


def test_nothing_is_gained_by_filters_that_are_whole_vectors() -> None:
    assert aligned(plan_of(convolution(24)), 8, frozenset({"W"}), {"X", "W", "Y"}) is None


def test_weights_that_come_at_run_time_are_not_widened() -> None:
    assert aligned(plan_of(convolution(21)), 8, frozenset(), {"X", "W", "Y"}) is None


def test_a_compilation_for_a_gpu_has_it_among_its_candidates() -> None:
    program = convolution(21)
    found = derive(
        program.definitions[0],
        program,
        frozenset({"W"}),
        h100("fp16"),
        LIMITS,
        3,
        libraries=LIBRARIES["cuda"],
    )
    relaxed = [c for c in found.candidates if c.operator.endswith("columns in vectors")]
    assert {c.operator.split()[0] for c in relaxed} == {"conv2d", "matmul"}
    for candidate in relaxed:
        assert str(candidate.steps[-1]) == "relax(multiple=8)"
        assert not candidate.as_written
        changed = splice(program, {"Y": candidate.statements})
        check_program(changed)
        assert isinstance(verify_plan(program, changed), VerifiedProgram)
