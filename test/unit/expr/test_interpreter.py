"""The interpreter against plain NumPy and Python's big integers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import scopes
from tensor_algebra import parse

from einnet.expr.functions import FUNCTIONS
from einnet.expr.interpreter import (
    PRIME,
    Field,
    Float64,
    dense,
    evaluate_at,
    evaluate_everywhere,
)
from einnet.expr.nodes import Scope, tensors_of

Array = NDArray[Any]


def small(seed: int, **shapes: tuple[int, ...]) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {name: rng.integers(-9, 9, shape) for name, shape in shapes.items()}


def in_both_rings(scope: Scope, arrays: dict[str, Array], expected: Array) -> None:
    """Small integers are exact in float64 and in the field."""
    floats = {n: a.astype(np.float64) for n, a in arrays.items()}
    np.testing.assert_array_equal(evaluate_everywhere(scope, dense(floats), Float64()), expected)
    elements = {n: a % PRIME for n, a in arrays.items()}
    np.testing.assert_array_equal(
        evaluate_everywhere(scope, dense(elements), Field()), expected % PRIME
    )


def test_convolution():
    shapes = {"X": (2, 3, 6, 5), "W": (4, 3, 3, 2)}
    scope = parse("L<n:2,f:4,h:3,w:6> S<c:3,r:3,s:2> X[n,c,2*h+r-1,w+s-1] * W[f,c,r,s]", **shapes)
    a = small(1, **shapes)
    padded = np.pad(a["X"], ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.zeros((2, 4, 3, 6), np.int64)
    for h in range(3):
        for w in range(6):
            window = padded[:, :, 2 * h : 2 * h + 3, w : w + 2]
            expected[:, :, h, w] = np.einsum("ncrs,fcrs->nf", window, a["W"])
    in_both_rings(scope, a, expected)


def test_transposed_convolution():
    shapes = {"X": (2, 3, 4), "W": (3, 5, 4)}
    scope = parse(
        "L<n:2,f:5,h:8> S<c:3,r:4> X[n,c,(h+1-r) div 2] * W[c,f,r] * [(h+1-r) mod 2 = 0]", **shapes
    )
    a = small(2, **shapes)
    full = np.zeros((2, 5, 10), np.int64)
    for i in range(4):
        full[:, :, 2 * i : 2 * i + 4] += np.einsum("nc,cfr->nfr", a["X"][:, :, i], a["W"])
    in_both_rings(scope, a, full[:, :, 1:9])


def test_product_with_a_coefficient_and_several_terms():
    shapes = {"A": (3, 4), "B": (4, 5), "c": (5,)}
    scope = parse("L<m:3,n:5> S<k:4> 3 * A[m,k] * B[k,n] - 2 * c[n] * [k mod 4 = 0]", **shapes)
    a = small(3, **shapes)
    in_both_rings(scope, a, 3 * a["A"] @ a["B"] - 2 * a["c"])


def test_reads_are_zero_outside_on_every_side():
    shapes = {"X": (3, 2)}
    scope = parse("L<i:-2:5,j:-1:4> X[i,j]", **shapes)
    a = small(4, **shapes)
    in_both_rings(scope, a, np.pad(a["X"], ((2, 2), (1, 2))))


def test_nested_scopes_are_zero_outside_their_box():
    # Without zero extension the inner scope would be X at 0..5 everywhere.
    shapes = {"X": (6,)}
    scope = parse("L<i:6> {L<z:1:4> X[z]}[i]", **shapes)
    a = small(5, **shapes)
    in_both_rings(scope, a, np.array([0, *a["X"][1:4], 0, 0]))


def test_guards():
    shapes = {"X": (8,)}
    scope = parse("L<i:8> X[i] * [(i+2) mod 3 = 0] + X[i] * [2 <= i div 2 < 4]", **shapes)
    a = small(6, **shapes)
    i = np.arange(8)
    in_both_rings(scope, a, a["X"] * ((i + 2) % 3 == 0) + a["X"] * ((i // 2 >= 2) & (i // 2 < 4)))


def test_negative_operands_of_div_and_mod_round_down():
    shapes = {"X": (4,)}
    scope = parse("L<i:-4:4> X[i div 2+2]*X[i mod 3]", **shapes)
    a = small(7, **shapes)
    i = np.arange(-4, 4)
    in_both_rings(scope, a, a["X"][i // 2 + 2] * a["X"][i % 3])


def test_scalars_and_constants():
    in_both_rings(parse("L<> S<r:3,s:2> c[]", c=()), {"c": np.array(5)}, np.array(30))
    in_both_rings(parse("L<i:2> S<r:3> 2"), {}, np.array([6, 6]))
    in_both_rings(parse("L<i:2> 0"), {}, np.array([0, 0]))
    nested = parse("L<i:2> X[i] * {L<> S<r:2> X[r]}[]", X=(2,))
    in_both_rings(nested, {"X": np.array([3, 4])}, np.array([21, 28]))


def test_evaluate_at_answers_zero_outside_the_box():
    scope = parse("L<i:1:4> X[i]", X=(9,))
    where = [np.array([-1, 0, 1, 3, 4, 3])]
    values = evaluate_at(scope, where, dense({"X": np.arange(9)}), Field())
    assert values.tolist() == [0, 0, 1, 3, 0, 3]


def test_many_points_are_added_up_in_chunks():
    scope = parse("L<i:600> S<r:2000> X[r]", X=(2000,))
    x = np.full(2000, PRIME - 1)
    values = evaluate_everywhere(scope, dense({"X": x}), Field())
    assert set(values.tolist()) == {(PRIME - 1) * 2000 % PRIME}


elements = st.integers(0, PRIME - 1)


@given(st.lists(elements, min_size=1, max_size=6), elements, st.fractions(max_denominator=999))
def test_field_arithmetic_is_that_of_big_integers(values: list[int], b: int, c: Fraction):
    field = Field()
    array = np.array(values, np.int64)
    product = field.multiply(array, np.array([b], np.int64))
    assert product.tolist() == [a * b % PRIME for a in values]
    assert int(field.add_up(array)) == sum(values) % PRIME
    assert field.constant(c) * c.denominator % PRIME == c.numerator % PRIME


def brute_force(scope: Scope, arrays: dict[str, Array]) -> Array:
    """A second evaluation of scopes without nesting: one element at a time, in fractions."""
    result = np.zeros(scope.extents, object)
    for place in np.ndindex(*scope.extents):
        point = {i.name: i.lo + p for i, p in zip(scope.traversal, place, strict=True)}
        total = Fraction(0)
        for inner in np.ndindex(*(i.extent for i in scope.summation)):
            here = {
                **point,
                **{i.name: i.lo + p for i, p in zip(scope.summation, inner, strict=True)},
            }
            for term in scope.body:
                total += _term_value(term, here, arrays)
        result[place] = total.numerator * pow(total.denominator, -1, PRIME) % PRIME
    return result.astype(np.int64)


def _term_value(term: Any, here: dict[str, int], arrays: dict[str, Array]) -> Fraction:
    def value(index: Any) -> int:
        total = index.const
        for atom, coefficient in index.terms:
            inside = hasattr(atom, "operand")
            total += coefficient * (
                value(atom.operand) // atom.divisor if inside else here[atom.name]
            )
        return total

    for guard in term.guards:
        v = value(guard.index)
        holds = v % guard.modulus == 0 if hasattr(guard, "modulus") else guard.lo <= v < guard.hi
        if not holds:
            return Fraction(0)
    result = term.coefficient
    for read in term.factors:
        where = tuple(value(e) for e in read.index)
        inside = all(0 <= w < n for w, n in zip(where, read.source.shape, strict=True))
        result *= int(arrays[read.source.name][where]) if inside else 0
    return result


@given(scopes(body=2, limit=60), st.integers(0, 99))
def test_random_expressions_against_one_element_at_a_time(scope: Scope, seed: int):
    shapes = {t.name: t.shape for t in tensors_of(scope)}
    arrays = {n: np.random.default_rng(seed).integers(0, PRIME, s) for n, s in shapes.items()}
    actual = evaluate_everywhere(scope, dense(arrays), Field())
    np.testing.assert_array_equal(actual, brute_force(scope, arrays))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_functions_mean_what_their_names_say(name: str):
    x = np.array([0.25, 0.5, 1.5])
    y = np.array([2.0, 0.125, 1.0])
    known: dict[str, Array] = {
        "relu": np.array([0.25, 0.5, 1.5]),
        "rsqrt": x**-0.5,
        "reciprocal": 1 / x,
        "erf": np.array([0.2763263901682369, 0.5204998778130465, 0.9661051464753108]),
        "sigmoid": np.exp(x) / (1 + np.exp(x)),
    }
    function = FUNCTIONS[name]
    arguments = (x, y)[: function.arity]
    expected = known[name] if name in known else getattr(np, name)(*arguments)
    text = f"L<i:3> {name}({', '.join(('X[i]', 'Y[i]')[: function.arity])})"
    actual = evaluate_everywhere(parse(text, X=(3,), Y=(3,)), dense({"X": x, "Y": y}), Float64())
    np.testing.assert_allclose(actual, expected, rtol=1e-15)


def test_relu_cuts_negative_values_and_sees_sums():
    scope = parse("L<i:3> relu(X[i] - 2) * X[i]", X=(3,))
    x = np.array([1.0, 2.0, 5.0])
    assert evaluate_everywhere(scope, dense({"X": x}), Float64()).tolist() == [0, 0, 15]


def test_a_call_in_the_field_is_a_function_of_its_name_and_arguments():
    field = Field()
    a, b = np.array([1, 2, 1]), np.array([5, 5, 5])
    one = field.call("relu", [a])
    assert one[0] == one[2] != one[1]
    assert (field.call("tanh", [a]) != one).all()
    two = field.call("maximum", [a, b])
    assert two[0] == two[2] != two[1] != one[1]
    assert (two == field.call("maximum", [b, a])).all()
    assert (two != field.call("maximum", [a, a])).all()
    assert ((one >= 0) & (one < PRIME)).all()
