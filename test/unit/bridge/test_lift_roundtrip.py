"""What the emitter writes lifts back to the expressions that it was written from."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from lifting import context, lifted, module
from strategies import scopes
from tensor_algebra import parse, random_elements, run_statements, value_of

from einnet.bridge.composition import replace_sources
from einnet.bridge.emit import emit_program
from einnet.bridge.lift import lift_composed
from einnet.bridge.natural import natural, natural_scope
from einnet.expr.canonical import fingerprint
from einnet.expr.check import check_program
from einnet.expr.index import Range, var
from einnet.expr.nodes import Iterator, Scope, Tensor, tensors_of
from einnet.expr.program import Definition, Opaque, Program
from einnet.expr.transform import substitute_body

HERE = Path(__file__).parent


def round_trip(program: Program) -> Program:
    """The program as text of linalg and back, naturally spelled."""
    text = str(emit_program(program, context()))
    owner = module(text)
    back = lift_composed(owner, program.name)
    check_program(back)
    return natural(back)


def program_of(scope: Scope) -> Program:
    result = Tensor("result", scope.extents)
    return Program("main", tensors_of(scope), (Definition(result, scope, "it"),), (result,))


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        (
            "L<n:2,f:3,w:13> S<c:40,s:5> X[n,c,(w+2-2*s) div 5] * W[c,f,s] * [(w+2-2*s) mod 5 = 0]",
            {"X": (2, 40, 4), "W": (40, 3, 5)},
        ),
        (
            "L<n:2,f:3,h:6,w:6> S<c:9,r:3,s:3> X[n,c,h+2*r-2,w+2*s-2] * W[f,c,r,s]",
            {"X": (2, 9, 6, 6), "W": (3, 9, 3, 3)},
        ),
        ("L<b:3,i:4,j:5> S<k:70> A[b,i,k] * B[b,i+j-2,k]", {"A": (3, 4, 70), "B": (3, 4, 70)}),
        ("L<h:4,w:4> X[(h+1) mod 4,w div 2]", {"X": (4, 2)}),
        ("L<h:4> relu(2 * X[h-1] - 1/2) * tanh(X[h])", {"X": (4,)}),
        ("L<h:4> sigmoid(X[h]) * rsqrt(X[h]) + reciprocal(X[h])", {"X": (4,)}),
        ("L<h:4> maximum(X[h], X[3-h]) * minimum(X[h], abs(X[h])) + exp(X[h])", {"X": (4,)}),
    ],
)
def test_an_expression_comes_back(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    scope = parse(text, **shapes)
    back = round_trip(program_of(scope))
    (definition,) = back.definitions
    renamed = {f"arg{n}": t for n, t in enumerate(tensors_of(scope))}
    again = replace_sources(definition.scope, renamed)
    assert fingerprint(again) == fingerprint(natural_scope(scope)), str(again)


def emittable(scope: Scope) -> Scope:
    """The scope over a box that starts at 0, as definitions need it, with exact coefficients."""
    ranges = {i.name: Range(0, i.extent) for i in scope.traversal}
    ranges |= {i.name: i.range for i in scope.summation}
    moved = {i.name: var(i.name) + i.lo for i in scope.traversal}
    traversal = tuple(Iterator(i.name, 0, i.extent) for i in scope.traversal)
    body = tuple(replace(t, coefficient=Fraction(t.coefficient.numerator)) for t in scope.body)
    return Scope(traversal, scope.summation, substitute_body(body, moved, ranges))


@settings(max_examples=40, deadline=None)
@given(scopes(body=2, limit=200))
def test_any_expression_keeps_its_meaning(scope: Scope) -> None:
    scope = emittable(scope)
    program = program_of(scope)
    back = round_trip(program)
    inputs = zip(back.inputs, program.inputs, strict=True)
    arrays = {
        new.name: random_elements(old, tuple(np.indices(old.shape, dtype=np.int64)))
        for new, old in inputs
    }
    arrays = run_statements(back.statements, arrays)
    assert (arrays[back.outputs[0].name] == value_of(scope)).all()


def test_a_whole_generator_comes_back() -> None:
    source = module((HERE / "infogan-small.mlir").read_text())
    program = natural(lifted((HERE / "infogan-small.mlir").read_text()))
    emitted = emit_program(program, context(), source)
    back = natural(lift_composed(emitted))
    assert not any(isinstance(s, Opaque) for s in back.statements)
    assert back.inputs[0] == program.inputs[0]
    assert back.weights == program.weights
