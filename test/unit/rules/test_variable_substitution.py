"""Every substitution keeps the meaning, on traversal and on summation iterators alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import scopes
from tensor_algebra import fault_is_found, parse, same_meaning

from einnet.expr.index import Range, floordiv, mod, var
from einnet.expr.nodes import Iterator, Scope
from einnet.rules import variable_substitution as rule
from einnet.rules.rewrite import NotApplicable
from einnet.rules.variable_substitution import (
    merge,
    permute,
    reflect,
    shift,
    skew,
    solve,
    split,
    substitute_iterators,
)


def iterators_of_one_kind(scope: Scope, summation: bool) -> tuple[Iterator, ...]:
    return scope.summation if summation else scope.traversal


@st.composite
def one_iterator(draw: st.DrawFn) -> tuple[Scope, str, int]:
    """A scope, one of its iterators, and a number to split or shift it by."""
    scope = draw(scopes(min_sums=1, body=2, limit=200))
    chosen = draw(st.sampled_from(scope.traversal + scope.summation))
    return scope, chosen.name, draw(st.integers(2, 5))


@st.composite
def splits(draw: st.DrawFn) -> tuple[Scope, str, int]:
    """Cases in which the factor is in range, whether or not it divides the extent."""
    scope, name, factor = draw(one_iterator())
    assume(rule.find(scope, name).extent > 2)
    return scope, name, 2 + factor % (rule.find(scope, name).extent - 2)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Scope, str, str, int]:
    """Two iterators of one kind, and a factor between them."""
    scope = draw(scopes(min_sums=2, body=2, limit=200))
    kind = iterators_of_one_kind(scope, draw(st.booleans()))
    assume(len(kind) > 1)
    a, b = draw(st.permutations(kind))[:2]
    return scope, a.name, b.name, draw(st.sampled_from((-3, -2, -1, 1, 2, 3)))


@given(splits())
def test_split(case: tuple[Scope, str, int]):
    assert same_meaning(case[0], split(*case))


@given(one_iterator())
def test_reflect(case: tuple[Scope, str, int]):
    assert same_meaning(case[0], reflect(case[0], case[1]))


@given(one_iterator())
def test_shift(case: tuple[Scope, str, int]):
    scope, name, offset = case
    assert same_meaning(scope, shift(scope, name, offset - 4))


@given(pairs())
def test_skew(case: tuple[Scope, str, str, int]):
    scope, a, b, factor = case
    assert same_meaning(scope, skew(scope, a, var(a) + var(b) * factor))
    assert same_meaning(scope, skew(scope, a, -var(a) + var(b) * factor + 2))


@given(pairs())
def test_skew_over_a_division(case: tuple[Scope, str, str, int]):
    scope, a, b, factor = case
    index = var(a) + floordiv(var(b) + factor, abs(factor) + 1, scope.ranges)
    assert same_meaning(scope, skew(scope, a, index))


@given(pairs())
def test_merge(case: tuple[Scope, str, str, int]):
    assert same_meaning(case[0], merge(*case[:3]))


@given(scopes(body=2, limit=200), st.data())
def test_permute(scope: Scope, data: st.DataObject):
    order = data.draw(st.permutations([i.name for i in scope.traversal]))
    permuted = permute(scope, tuple(order))
    assert same_meaning(scope, permuted)
    source = permuted.term.reads[0].source
    assert isinstance(source, Scope) and [i.name for i in source.traversal] == order


def unimodular(scope: Scope, a: str, b: str, factor: int) -> Scope:
    """(u, v) = (a + factor*b, b + u): two skews in one substitution."""
    phi = {"u": var(a) + var(b) * factor, "v": var(b) + var(a) + var(b) * factor}
    back = var("v") - var("u")
    return substitute_iterators(scope, phi, {a: var("u") - back * factor, b: back})


@given(pairs())
def test_two_iterators_by_two_others(case: tuple[Scope, str, str, int]):
    assert same_meaning(case[0], unimodular(*case))


@given(pairs())
def test_new_iterators_may_take_the_names_of_those_that_go(case: tuple[Scope, str, str, int]):
    scope, a, b, _ = case
    swapped = substitute_iterators(scope, {a: var(b), b: var(a)}, {a: var(b), b: var(a)})
    assert same_meaning(scope, swapped)


@given(pairs())
def test_a_substitution_that_solve_finds(case: tuple[Scope, str, str, int]):
    scope, a, b, factor = case
    phi, psi = solve(scope, "u", var(b) * factor - var(a) + 1)
    assert same_meaning(scope, substitute_iterators(scope, phi, psi))


def test_new_traversal_iterators_are_read_back_through_phi():
    scope = parse("L<x:6> X[x]", X=(6,))
    assert str(split(scope, "x", 4)) == "L<x:6> {L<x.q:2,x.r:4> X[4*x.q+x.r]}[x div 4,x mod 4]"


def test_a_split_of_a_sum_gets_a_guard_only_where_the_factor_does_not_divide():
    scope = parse("L<> S<r:6> X[r]", X=(9,))
    assert str(split(scope, "r", 3)) == "L<> S<r.q:2,r.r:3> X[3*r.q+r.r]"
    guarded = split(scope, "r", 4)
    assert str(guarded) == "L<> S<r.q:2,r.r:4> X[4*r.q+r.r] * [0 <= 4*r.q+r.r < 6]"


SCOPE = parse("L<x:6,y:4> S<r:3,s:3> X[x+r,y+s]", X=(9, 9))


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (lambda: split(SCOPE, "z", 2), "z is not an iterator of this scope; there are: x, y, r, s"),
        (lambda: split(SCOPE, "r", 1), "r has extent 3: no split by 1"),
        (lambda: split(SCOPE, "r", 3), "r has extent 3: no split by 3"),
        (lambda: skew(SCOPE, "x", var("x") * 2 + var("y")), "cannot be solved for x"),
        (
            lambda: skew(SCOPE, "x", var("x") + mod(var("x") + var("y"), 2, SCOPE.ranges)),
            "cannot be solved for x",
        ),
        (lambda: skew(SCOPE, "x", var("x") + var("r")), "uses a summation iterator"),
        (lambda: merge(SCOPE, "x", "r"), "cannot be substituted together"),
        (lambda: merge(SCOPE, "r", "x"), "cannot be substituted together"),
        (lambda: permute(SCOPE, ("x",)), "x is no order of the traversal iterators x, y"),
        (lambda: permute(SCOPE, ("x", "r")), "x,r is no order of the traversal iterators x, y"),
        (lambda: solve(SCOPE, "u", var("x") * 2), "no iterator with coefficient 1 or -1"),
        (lambda: substitute_iterators(SCOPE, {}, {"z": var("x")}), "z is not an iterator"),
        (
            lambda: substitute_iterators(SCOPE, {"y": var("x")}, {"x": var("y")}),
            "the new iterator y has the name of one that stays",
        ),
        (
            lambda: substitute_iterators(SCOPE, {"u": var("x") + 1}, {"x": var("u")}),
            "x = u does not invert the substitution: it is x\\+1",
        ),
        (
            lambda: substitute_iterators(SCOPE, {"u": var("r") * 2}, {"r": var("u")}),
            "does not invert the substitution",
        ),
        (
            lambda: substitute_iterators(
                SCOPE, {"u": var("r"), "v": var("r")}, {"r": var("u")}
            ),
            "v = r takes some values more than once",
        ),
    ],
)  # fmt: skip
def test_refusals(attempt: Callable[[], Scope], reason: str):
    with pytest.raises(NotApplicable, match=reason):
        attempt()


def unguarded(before: Scope, after: Scope) -> Scope:
    """The result without the guards that the rule added."""
    body = tuple(
        replace(new, guards=new.guards[: len(old.guards)])
        for old, new in zip(before.body, after.body, strict=True)
    )
    return replace(after, body=body)


def test_a_split_without_its_range_guard_is_found():
    def broken(scope: Scope, name: str, factor: int) -> Scope:
        assume(name in {i.name for i in scope.summation})
        return unguarded(scope, split(scope, name, factor))

    assert fault_is_found(splits(), broken)


def test_a_skew_without_its_range_guard_is_found():
    def broken(scope: Scope, a: str, b: str, factor: int) -> Scope:
        assume(a in {i.name for i in scope.summation})
        return unguarded(scope, skew(scope, a, var(a) + var(b) * factor))

    assert fault_is_found(pairs(), broken)


def unchecked(*_: object) -> None:
    """Takes the place of a check."""


def test_a_wrong_inverse_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rule, "_check_inverse", unchecked)

    def broken(scope: Scope, name: str, _: int) -> Scope:
        old = rule.find(scope, name)
        end = old.lo + old.hi - 1
        return substitute_iterators(scope, {"u": -var(name) + end}, {name: -var("u") + end + 1})

    assert fault_is_found(one_iterator(), broken)


def test_a_sum_over_too_many_points_is_found():
    def broken(scope: Scope, name: str, _: int) -> Scope:
        old = rule.find(scope, name)
        assume(old in scope.summation)
        return replace(scope, summation=(*scope.summation, replace(old, name="v")))

    assert fault_is_found(one_iterator(), broken)


def test_a_permutation_read_in_the_old_order_is_found():
    def broken(scope: Scope, a: str, b: str, _: int) -> Scope:
        names = [i.name for i in scope.traversal]
        assume(a in names)
        swapped = permute(scope, tuple({a: b, b: a}.get(n, n) for n in names))
        read = replace(swapped.term.reads[0], index=tuple(map(var, names)))
        return replace(swapped, body=(replace(swapped.term, factors=(read,)),))

    assert fault_is_found(pairs(), broken)


def test_a_merge_with_too_small_a_stride_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rule, "_check_inverse", unchecked)

    def broken(scope: Scope, a: str, b: str, _: int) -> Scope:
        n = rule.find(scope, b).extent - 1
        assume(n > 1)
        low_a, low_b = rule.find(scope, a).lo, rule.find(scope, b).lo
        phi = {"u": (var(a) - low_a) * n + var(b) - low_b}
        ranges = {"u": Range(0, 99)}
        psi = {a: floordiv(var("u"), n, ranges) + low_a, b: mod(var("u"), n, ranges) + low_b}
        return substitute_iterators(scope, phi, psi)

    assert fault_is_found(pairs(), broken)
