"""Random expressions: the flat form that kernels are emitted from means the same."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from einnet.bridge.unroll import SUM, from_zero, materialize, unrolled
from einnet.expr.index import Index, Ranges, constant, floordiv, mod, var
from einnet.expr.interpreter import PRIME, Array, Field, dense, evaluate_everywhere
from einnet.expr.nodes import (
    Body,
    Call,
    Factor,
    Guard,
    Iterator,
    Read,
    Scope,
    Tensor,
    Term,
    Within,
    box_of,
    factors_of,
)
from einnet.expr.program import Definition
from einnet.expr.text import parse_scope
from einnet.expr.transform import guard_truth, outside, residue

X, Y = Tensor("X", (4, 5)), Tensor("Y", (6,))


@st.composite
def indices(draw: st.DrawFn, ranges: Ranges) -> Index:
    index = constant(draw(st.integers(-3, 3)))
    for name in draw(st.lists(st.sampled_from(sorted(ranges)), max_size=2)) if ranges else []:
        index = index + var(name) * draw(st.sampled_from((-2, -1, 1, 1, 1, 2)))
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return floordiv(index, draw(st.integers(2, 3)), ranges)
    return mod(index, draw(st.integers(2, 4)), ranges) if kind == 1 else index


@st.composite
def guards(draw: st.DrawFn, ranges: Ranges) -> Guard:
    index = draw(indices(ranges))
    if draw(st.booleans()):
        return residue(index, draw(st.integers(2, 3)))
    low = draw(st.integers(-2, 2))
    return Within(index, low, low + draw(st.integers(1, 5)))


@st.composite
def scopes(draw: st.DrawFn, depth: int, rank: int) -> Scope:
    def iterators(prefix: str, count: int, limit: int) -> tuple[Iterator, ...]:
        lows = [draw(st.integers(-1, 1)) for _ in range(count)]
        return tuple(
            Iterator(f"{prefix}{n}", lo, lo + draw(st.integers(1, limit)))
            for n, lo in enumerate(lows)
        )

    traversal = iterators("t", rank, 5)
    summation = iterators("s", draw(st.integers(0, 2)), draw(st.sampled_from((2, 3, 12))))
    ranges = {i.name: i.range for i in traversal + summation}
    return Scope(traversal, summation, draw(bodies(ranges, depth)))


@st.composite
def bodies(draw: st.DrawFn, ranges: Ranges, depth: int) -> Body:
    return tuple(
        Term(
            tuple(draw(st.lists(factors(ranges, depth), max_size=2))),
            tuple(draw(st.lists(guards(ranges), max_size=1))),
            Fraction(draw(st.sampled_from((-2, -1, 1, 1, 3)))),
        )
        for _ in range(draw(st.integers(1, 2)))
    )


@st.composite
def factors(draw: st.DrawFn, ranges: Ranges, depth: int) -> Factor:
    kind = draw(st.integers(0, 4))
    if kind == 0 and depth:
        return Call("relu", (draw(bodies(ranges, depth - 1)),))
    if kind == 1 and depth:
        source: Tensor | Scope = draw(scopes(depth - 1, draw(st.integers(0, 2))))
    else:
        source = draw(st.sampled_from((X, Y)))
    return Read(source, tuple(draw(indices(ranges)) for _ in box_of(source)))


def evaluate(scope: Scope, arrays: dict[str, Array]) -> Array:
    return evaluate_everywhere(scope, dense(arrays), _Field())


class _Field(Field):
    """The field with parentheses as a function."""

    def call(self, function: str, arguments: list[Array]) -> Array:
        return arguments[0] if function == SUM else super().call(function, arguments)


def arrays_of() -> dict[str, Array]:
    random = np.random.default_rng(3)
    return {t.name: random.integers(0, PRIME, t.shape) for t in (X, Y)}


@given(scopes(2, 2))
def test_unrolled_means_the_same(scope: Scope) -> None:
    arrays = arrays_of()
    assert np.array_equal(evaluate(unrolled(scope), arrays), evaluate(scope, arrays))


@given(scopes(2, 2))
def test_unrolled_is_flat_with_explicit_zeros(scope: Scope) -> None:
    flat = unrolled(scope)
    assert all(i.lo == 0 for i in flat.traversal + flat.summation)
    for factor in factors_of(flat.body):
        assert isinstance(factor, Call) or isinstance(factor.source, Tensor)
    for term in flat.body:
        assert all(guard_truth(g, flat.ranges) is None for g in term.guards)
        if not any(outside(r.index, box_of(r.source), flat.ranges) for r in term.reads):
            continue
        # A term that may read outside is guarded: it is 0 there by itself.
        assert term.guards


@given(scopes(2, 2))
def test_materialized_means_the_same(scope: Scope) -> None:
    scope = from_zero(scope)
    arrays = arrays_of()
    wanted = evaluate(scope, arrays)
    parts = materialize(Definition(Tensor("out", scope.extents), scope), "f32")
    for part in parts:
        assert all(i.lo == 0 for i in part.scope.traversal)
        arrays[part.result.name] = evaluate(part.scope, arrays)
    assert np.array_equal(arrays["out"], wanted)
    assert parts[-1].result.name == "out"


def test_long_and_shared_sums_become_tensors() -> None:
    """Short ones stay where they are read; each distinct one is computed once."""
    long = "{L<a:4> S<k:65> Z[a,k]}"
    shared = "{L<> S<k:8> Z[0,k]}[]"
    short = "{L<a:4> S<k:7> Z[a,k]}[i]"
    scope = parse_scope(
        f"L<i:4,j:3> {long}[i]*{shared} + relu({long}[j])*{short}", {"Z": Tensor("Z", (4, 65))}
    )
    first, second, last = materialize(Definition(Tensor("out", (4, 3)), scope), "f32")
    assert (first.result.shape, second.result.shape) == ((4,), ())
    assert [t.name for t in last.operands] == [first.result.name, second.result.name, "Z"]
    assert len(unrolled(last.scope).summation) == 0


def test_what_a_sum_does_not_need_stays_outside_of_it() -> None:
    scope = parse_scope("L<i:4> S<k:3> 2*Y[i]*X[i,k+1]*[0 <= i+k < 4]", {"X": X, "Y": Y})
    (term,) = unrolled(scope).body
    read, total = term.factors
    assert isinstance(read, Read)
    assert isinstance(total, Call)
    assert (read.source, total.function, term.coefficient) == (Y, SUM, 2)
    assert [len(t.guards) for t in total.arguments[0]] == [0, 1, 1]


def test_terms_that_are_zero_everywhere_are_dropped() -> None:
    scope = parse_scope("L<i:4> S<k:9> Y[i+k]*[(2*i+k) mod 2 = 0]", {"Y": Y})
    assert [str(t.reads[0].index[0]) for t in unrolled(scope).body] == ["i", "i+2", "i+4"]
    assert unrolled(parse_scope("L<i:4> Y[i+6] + X[i,0]*[7 <= i < 9]", {"X": X, "Y": Y})).body == ()
