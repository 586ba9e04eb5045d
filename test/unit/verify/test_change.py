"""What two programs have in common is left out, and nothing that differs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from definitions import chain

from einnet.expr.check import check_program
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Opaque, Program
from einnet.expr.text import parse_scope
from einnet.expr.transform import with_tensors
from einnet.verify.change import parting
from einnet.verify.equivalence import Different, Equal, compare
from einnet.verify.plan import VerifiedProgram, verify_plans

SHAPES = {"X": (2, 3, 8), "W": (4, 3, 3), "V": (5, 4, 3)}
BASE = chain(
    "L<n:2,f:4,h:8> S<c:3,r:3> X[n,c,h+r-1] * W[f,c,r]",
    "L<n:2,f:4,h:8> relu(t0[n,f,h])",
    "L<n:2,g:5,h:8> S<f:4,r:3> t1[n,f,h+r-1] * V[g,f,r]",
    "L<n:2,g:5,h:8> tanh(t2[n,g,h])",
    inputs=SHAPES,
    weights=("W", "V"),
)


def exchanged(number: int, *texts: str) -> Program:
    """The base with the definition of a number computed by these, the last one in its place."""
    statements = list(BASE.definitions)
    tensors = {t.name: t for t in BASE.inputs} | {d.result.name: d.result for d in statements}
    made: list[Definition] = []
    for position, text in enumerate(texts):
        scope = parse_scope(text, tensors)
        last = position + 1 == len(texts)
        result = statements[number].result if last else Tensor(f"u{position}", scope.extents)
        tensors[result.name] = result
        made.append(Definition(result, scope))
    statements[number : number + 1] = made
    return replace(BASE, statements=tuple(statements))


SPLIT = exchanged(
    2,
    "L<r:3,n:2,g:5,h:10> S<f:4> t1[n,f,h-1] * V[g,f,r]",
    "L<n:2,g:5,h:8> S<r:3> u0[r,n,g,h+r]",
)


def test_only_what_differs_is_left():
    parts = parting(BASE, SPLIT)
    assert parts is not None
    ours, theirs = parts
    assert [d.result.name for d in ours.definitions] == ["t2"]
    assert [d.result.name for d in theirs.definitions] == ["u0", "t2"]
    assert [t.name for t in ours.outputs] == ["t2"]
    assert isinstance(compare(ours, theirs), Equal)


def test_a_change_at_the_start_leaves_what_follows_alone():
    text = "L<n:2,f:4,h:8> S<r:3,c:3> W[f,c,r] * X[n,c,h+r-1]"
    parts = parting(BASE, exchanged(0, text))
    assert parts is not None
    assert [t.name for t in parts[0].outputs] == ["t0"]
    assert len(parts[0].definitions) == len(parts[1].definitions) == 1


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "L<n:2,f:4,h:8> S<c:3,r:3> X[n,c,h+r] * W[f,c,r]"),
        (1, "L<n:2,f:4,h:8> 2*relu(t0[n,f,h])"),
        (2, "L<n:2,g:5,h:8> S<f:4,r:3> t1[n,f,h+r-1] * V[g,f,2-r]"),
        (2, "L<n:2,g:5,h:8> S<f:4,r:3> t0[n,f,h+r-1] * V[g,f,r]"),
        (3, "L<n:2,g:5,h:8> tanh(t2[n,g,7-h])"),
    ],
)
def test_a_wrong_change_is_found_between_right_ones(number: int, text: str):
    right, wrong, again = verify_plans(BASE, [BASE, exchanged(number, text), SPLIT])
    assert isinstance(right, VerifiedProgram) and isinstance(again, VerifiedProgram)
    assert isinstance(wrong, Different)


def test_what_is_equal_only_as_a_whole_is_compared_as_a_whole():
    """Two changes that undo each other in what both programs compute alike: no part is equal."""
    whole = "L<i:4> t0[i] + t1[i]"
    base = chain("L<i:4> A[i]", "L<i:4> B[i]", whole, inputs={"A": (4,), "B": (4,)})
    other = chain("L<i:4> A[i] + B[i]", "L<i:4> B[i] - B[i]", whole, inputs={"A": (4,), "B": (4,)})
    parts = parting(base, other)
    assert parts is not None and isinstance(compare(*parts), Different)
    assert all(isinstance(v, VerifiedProgram) for v in verify_plans(base, [base, other]))


def test_a_plan_is_compared_with_one_that_was_proved_only():
    wrong = exchanged(3, "L<n:2,g:5,h:8> tanh(2*t2[n,g,h])")
    first, second = verify_plans(BASE, [wrong, wrong])
    assert isinstance(first, Different) and isinstance(second, Different)


def test_a_certificate_counts_what_both_proofs_compared():
    first, second = verify_plans(BASE, [SPLIT, BASE])
    assert isinstance(first, VerifiedProgram) and isinstance(second, VerifiedProgram)
    assert second.certificate.comparisons > first.certificate.comparisons
    assert second.certificate.error_bound >= first.certificate.error_bound


def test_other_outputs_and_operations_without_expression_have_no_parts():
    renamed = chain("L<i:2> relu(A[i])", inputs={"A": (2,)})
    other = replace(renamed, outputs=(renamed.inputs[0],))
    assert parting(renamed, other) is None
    opaque = Opaque((Tensor("t0", (2,)),), renamed.inputs, "math.foo", 0)
    assert parting(replace(renamed, statements=(opaque,)), renamed) is None


def test_what_has_another_name_is_common_too():
    """And whatever reads it; a name that the other program has for something else stays."""
    shapes = {"X": (4, 8), "W": (8, 6), "V": (6,)}
    first = chain(
        "L<j:6> V[j] * V[j]",
        "L<i:4,j:6> S<k:8> X[i,k] * W[k,j]",
        "L<i:4,j:6> t1[i,j] * t0[j]",
        "L<i:4,j:6> exp(t2[i,j])",
        inputs=shapes,
        weights=("W", "V"),
    )
    second = chain(
        "L<i:4,j:6> S<k:8> X[i,k] * W[k,j]",
        "L<j:6> V[j] * V[j]",
        "L<i:4,j:6> t0[i,j] * t1[j]",
        "L<i:4,j:6> exp(t2[i,j])",
        inputs=shapes,
        weights=("W", "V"),
    )
    last = second.definitions[-1]
    renamed = _renamed(second, {"t0": "a", "t1": "b"})
    ours, theirs = _parts(first, renamed)
    assert not ours.definitions
    assert not theirs.definitions
    changed = replace(
        renamed,
        statements=(
            *renamed.statements[:-1],
            replace(last, scope=parse_scope("L<i:4,j:6> tanh(t2[i,j])", {"t2": last.operands[0]})),
        ),
    )
    ours, theirs = _parts(first, changed)
    assert [d.result.name for d in ours.definitions] == ["t3"]
    assert isinstance(compare(ours, theirs), Different)


def _parts(first: Program, second: Program) -> tuple[Program, Program]:
    parts = parting(first, second)
    assert parts is not None
    for part in parts:
        check_program(part)
    return parts


def _renamed(program: Program, names: dict[str, str]) -> Program:
    """The program with other names for some of its tensors."""
    tensors = {
        d.result.name: replace(d.result, name=names.get(d.result.name, d.result.name))
        for d in program.definitions
    }
    statements = tuple(
        replace(d, result=tensors[d.result.name], scope=with_tensors(d.scope, tensors))
        for d in program.definitions
    )
    return replace(program, statements=statements)
