"""Transposed convolutions by phases: equal to what they were, dense, and lifted to the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifting import context, module
from numpy.typing import NDArray
from tensor_algebra import parse, random_elements, run_statements, value_of

from einnet.bridge.emit import emit_program
from einnet.bridge.lift import lift_composed
from einnet.bridge.phases import phases_of
from einnet.expr.nodes import Scope, Tensor, tensors_of
from einnet.expr.program import Definition, Program


def transposed(modulus: int, shift: int, kernel: int, extent: int, sign: str = "-") -> Scope:
    """A transposed convolution of 24 channels; with the sign `+` its kernel is flipped."""
    e = f"(x+{shift}{sign}y)"
    return parse(
        f"L<f:2,x:{extent}> S<c:24,y:{kernel}> X[c,{e} div {modulus}] * W[f,c,y]"
        f" * [{e} mod {modulus} = 0]",
        X=(24, 4),
        W=(2, 24, kernel),
    )


def emitted(scope: Scope) -> str:
    result = Tensor("result", scope.extents)
    definitions = (Definition(result, scope, "it"),)
    program = Program("main", tensors_of(scope), definitions, (result,))
    return str(emit_program(program, context()))


def computed(text: str, scope: Scope) -> NDArray[np.int64]:
    """What the module computes, in a prime field, of the tensors of the scope."""
    program = lift_composed(module(text), "main")
    arrays = {
        new.name: random_elements(old, tuple(np.indices(old.shape, dtype=np.int64)))
        for new, old in zip(program.inputs, tensors_of(scope), strict=True)
    }
    return run_statements(program.statements, arrays)[program.outputs[0].name]


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        transposed,
        st.integers(2, 4),
        st.integers(0, 7),
        st.integers(2, 6),
        st.integers(2, 13),
        st.sampled_from("+-"),
    )
)
def test_phases_mean_the_same(scope: Scope) -> None:
    phases = phases_of(scope)
    assert phases is not None and not phases.scope.term.guards
    assert np.array_equal(computed(emitted(scope), scope), value_of(scope))


def test_two_guards_are_two_phases() -> None:
    scope = parse(
        "L<n:2,f:16,h:8,w:9> S<c:24,r:4,s:3> X[n,c,(h+1-r) div 2,(w+1-s) div 3] * W[c,f,r,s]"
        " * [(h+1-r) mod 2 = 0] * [(w+1-s) mod 3 = 0]",
        X=(2, 24, 4, 3),
        W=(24, 16, 4, 3),
    )
    phases = phases_of(scope)
    assert phases is not None
    assert [p.modulus for p in phases.phases] == [2, 3]
    assert [i.extent for i in phases.scope.summation] == [24, 2, 1]
    text = emitted(scope)
    assert "arith.select" not in text and "tensor.extract " not in text
    assert np.array_equal(computed(text, scope), value_of(scope))


def test_phases_of_a_nested_sum_stand_apart() -> None:
    scope = parse(
        "L<f:32,x:9> tanh({L<f:32,x:9> S<c:24,y:4>"
        " X[c,(x+1-y) div 2] * W[f,c,y] * [(x+1-y) mod 2 = 0]}[f,x] + b[f])",
        X=(24, 5),
        W=(32, 24, 4),
        b=(32,),
    )
    text = emitted(scope)
    assert "linalg.transpose" in text and "arith.select" not in text
    assert "math.tanh" in text


@pytest.mark.parametrize(
    "text",
    [
        "L<x:9> S<y:5> X[x-y] * W[y]",
        "L<x:9> S<y:5> X[(x-2*y) div 5] * W[y] * [(x-2*y) mod 5 = 0]",
        "L<x:9> S<y:5> X[x-y] * W[y] * [0 <= x+y < 7]",
        "L<x:9> S<y:5> X[x-y] * W[y] * [x mod 2 = 0]",
        "L<x:9> S<y:5> X[(x-y) div 3] * W[y] * [(x-y) mod 2 = 0] * [(x-y) mod 3 = 0]",
        # The sum ends before the kernel does: no read says where.
        "L<x:9> S<y:3> X[(x-y) div 2] * W[y] * [(x-y) mod 2 = 0]",
    ],
    ids=["no guard", "no unit step", "a range", "no sum", "one iterator twice", "a cut kernel"],
)
def test_what_has_no_phases(text: str) -> None:
    assert phases_of(parse(text, X=(9,), W=(5,))) is None
