"""Tightening and relaxing: the points that go and come contribute 0."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import scopes
from tensor_algebra import fault_is_found, parse, read_whole, same_meaning

from einnet.expr.nodes import Scope, Within
from einnet.rules import boundary_relaxing, boundary_tightening
from einnet.rules.boundary_relaxing import relax
from einnet.rules.boundary_tightening import tighten
from einnet.rules.rewrite import NotApplicable


@st.composite
def cases(draw: st.DrawFn) -> tuple[Scope]:
    return (draw(scopes(limit=200, nested=draw(st.booleans()))),)


@st.composite
def strided(draw: st.DrawFn) -> tuple[Scope]:
    """One read with a stride, which leaves its tensor on both sides."""
    stride, step = (draw(st.sampled_from((-3, -2, -1, 2, 3))) for _ in "xr")
    offset = draw(st.integers(-4, 12))
    text = f"L<x:-2:6> S<r:-1:3> X[{stride}*x{step:+}*r{offset:+}]"
    return (parse(text, X=(draw(st.integers(1, 9)),)),)


def tight_whole(scope: Scope) -> Scope | None:
    """The tightened scope as a nested one: what its readers see."""
    tight = tighten(scope)
    return None if tight is None else read_whole(tight, scope)


@given(cases() | strided())
def test_tightening(case: tuple[Scope]):
    assert same_meaning(case[0], tight_whole(*case))


@given(cases())
def test_tightening_of_sums_alone_keeps_the_box(case: tuple[Scope]):
    (scope,) = case
    tight = tighten(scope, traversal=False)
    assert tight is None or tight.traversal == scope.traversal
    assert same_meaning(scope, tight)


@given(cases() | strided())
def test_tightening_only_shrinks_and_ends(case: tuple[Scope]):
    tight = tighten(*case)
    if tight is not None:
        before = case[0].ranges
        assert all(before[n].lo <= r.lo and r.hi <= before[n].hi for n, r in tight.ranges.items())
        assert tighten(tight) == tight


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("L<x:-3:9> X[x]", "L<x:5> X[x]"),
        ("L<x:9> X[x-2]", "L<x:2:7> X[x-2]"),
        ("L<x:-9:9> X[-x]", "L<x:-4:1> X[-x]"),
        ("L<x:9> X[2*x]", "L<x:3> X[2*x]"),
        ("L<x:9> X[-2*x+9]", "L<x:3:5> X[-2*x+9]"),
        ("L<x:9> S<r:9> X[x+r+2]", "L<x:3> S<r:3> X[r+x+2]"),
        ("L<x:9> X[x] * [3 <= x < 8]", "L<x:3:5> X[x] * [3 <= x < 8]"),
        ("L<x:9> S<r:9> X[x] * [r mod 4 = 0]", "L<x:5> S<r:9> X[x] * [r mod 4 = 0]"),
        ("L<x:9> S<r:1:8> X[x] * [r mod 4 = 0]", "L<x:5> S<r:4:5> X[x] * [r mod 4 = 0]"),
        ("L<x:9> S<r:9> {L<z:2:4> X[z]}[x] * X[r]", "L<x:2:4> S<r:5> {L<z:2:4> X[z]}[x] * X[r]"),
    ],
)
def test_how_far_tightening_goes(before: str, after: str):
    assert str(tighten(parse(before, X=(5,)))) == after


@pytest.mark.parametrize(
    "text",
    [
        "L<x:5:9> X[x]",
        "L<x:9> X[x] * [9 <= x < 12]",
        "L<x:9> S<r:1:3> X[x] * [r mod 4 = 0]",
        "L<x:9> 0",
    ],
)
def test_what_is_zero_everywhere(text: str):
    assert tighten(parse(text, X=(5,))) is None


def test_scopes_of_several_terms_stay():
    scope = parse("L<x:9> X[x] + X[x-2]", X=(5,))
    assert tighten(scope) == scope


@pytest.mark.parametrize("end", ["lo", "hi"])
def test_tightening_one_too_far_is_found(end: str):
    def broken(scope: Scope) -> Scope | None:
        tight = tighten(scope)
        assume(tight is not None)
        assert tight is not None
        position, iterator = next(
            ((p, i) for p, i in enumerate(tight.summation) if i.extent > 1), (0, None)
        )
        assume(iterator)
        assert iterator is not None
        cut = replace(iterator, lo=iterator.lo + 1) if end == "lo" else None
        cut = cut or replace(iterator, hi=iterator.hi - 1)
        summation = (*tight.summation[:position], cut, *tight.summation[position + 1 :])
        return read_whole(replace(tight, summation=summation), scope)

    assert fault_is_found(cases(), broken)


def test_wrong_rounding_is_found(monkeypatch: pytest.MonkeyPatch):
    def inward(coefficient: int, lo: int, hi: int) -> tuple[int, int]:
        first, last = sorted((lo / coefficient, hi / coefficient))
        return ceil(first), ceil(last) - 1

    monkeypatch.setattr(boundary_tightening, "_solutions", inward)
    assert fault_is_found(strided(), tight_whole)


@st.composite
def enlargements(draw: st.DrawFn) -> tuple[Scope, str, int, int]:
    scope = draw(scopes(min_sums=1, body=2, limit=60))
    chosen = draw(st.sampled_from(scope.traversal + scope.summation))
    return scope, chosen.name, draw(st.integers(0, 3)), draw(st.integers(0, 3))


def relaxed(scope: Scope, name: str, below: int, above: int) -> Scope:
    """The relaxed scope as its readers see it."""
    old = scope.ranges[name]
    return read_whole(relax(scope, name, old.lo - below, old.hi + above), scope)


@given(enlargements())
def test_relaxing(case: tuple[Scope, str, int, int]):
    assert same_meaning(case[0], relaxed(*case))


@given(enlargements())
def test_new_points_of_a_relaxed_traversal_are_zero(case: tuple[Scope, str, int, int]):
    """Readers that look outside the old box must still see 0 there."""
    scope, name, below, above = case
    old = scope.ranges[name]
    new = relax(scope, name, old.lo - below, old.hi + above)
    assert same_meaning(read_whole(scope, new), new)


def test_the_guard_goes_where_a_read_implies_it():
    assert str(relax(parse("L<> S<r:5> X[r]", X=(5,)), "r", -1, 8)) == "L<> S<r:-1:8> X[r]"
    kept = "L<> S<r:8> X[r] * [0 <= r < 4]"
    assert str(relax(parse("L<> S<r:4> X[r]", X=(5,)), "r", 0, 8)) == kept


def test_relaxing_and_tightening_are_inverse():
    scope = parse("L<x:4> S<r:4> X[x] * Y[r,x]", X=(4,), Y=(4, 4))
    assert tighten(relax(scope, "r", -2, 9)) == scope


@pytest.mark.parametrize(
    ("name", "lo", "hi", "reason"),
    [
        ("r", 1, 9, "1:9 does not contain the range 0:4 of r"),
        ("r", 0, 3, "0:3 does not contain the range 0:4 of r"),
        ("z", 0, 9, "z is not an iterator of this scope; there are: x, r"),
    ],
)
def test_refusals(name: str, lo: int, hi: int, reason: str):
    with pytest.raises(NotApplicable, match=reason):
        relax(parse("L<x:4> S<r:4> X[x+r]", X=(9,)), name, lo, hi)


def test_relaxing_without_the_guard_is_found(monkeypatch: pytest.MonkeyPatch):
    def unguarded(scope: Scope) -> Scope:
        body = tuple(
            replace(t, guards=t.guards[:-1] if isinstance(t.guards[-1], Within) else t.guards)
            for t in scope.body
        )
        return replace(scope, body=body)

    monkeypatch.setattr(boundary_relaxing, "drop_implied", unguarded)
    assert fault_is_found(enlargements(), relaxed)
