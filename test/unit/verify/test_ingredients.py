"""Each ingredient of the verifier is necessary: without it a named pair is wrongly accepted.

Every test below takes one ingredient of the proof away and shows a pair of programs, unequal by the
dense oracle of `bench`, that the verifier then accepts, while the whole verifier refutes it.

| ingredient | test |
|---|---|
| period of an index, T_i | `test_ingredient_is_necessary[period of an index]` |
| period of a residue guard | `test_ingredient_is_necessary[period of a residue guard]` |
| periods of both programs, not of one | `test_ingredient_is_necessary[periods of both programs]` |
| residues of a cell | `test_ingredient_is_necessary[residues of a cell]` |
| the same live summation points in a cell | `test_ingredient_is_necessary[live sets]` |
| a straightened sum keeps its range | `test_ingredient_is_necessary[range of a straightened sum]` |
| an independent sum in every term | `test_ingredient_is_necessary[terms of an independent sum]` |
| in every read of a term | `test_ingredient_is_necessary[reads of an independent sum]` |
| of all tensors that it goes over | `test_ingredient_is_necessary[tensors of an independent sum]` |
| of one range | `test_ingredient_is_necessary[range of an independent sum]` |
| without guards on it | `test_ingredient_is_necessary[guards on an independent sum]` |
| in no other index | `test_ingredient_is_necessary[other indices of an independent sum]` |
| dim + 1 affinely independent positions | `test_ingredient_is_necessary[affine positions]` |
| number of slopes, one axis | `test_ingredient_is_necessary[simplex on one axis]` |
| number of slopes, two axes | `test_ingredient_is_necessary[simplex on two axes]` |
| degree k - 1 of the simplex | `test_ingredient_is_necessary[degree of the simplex]` |
| positions of the simplex off its axes | `test_ingredient_is_necessary[corners of the simplex]` |
| axes narrower than k tested whole | `test_ingredient_is_necessary[axes below the degree]` |
| slopes of both programs, not of one | `test_ingredient_is_necessary[slopes of both programs]` |
| orders of a repeated tensor | `test_ingredient_is_necessary[orders of a repeated tensor]` |
| guards of zero-extended reads | `test_ingredient_is_necessary[zero extension of reads]` |
| guards of zero-extended scopes | `test_ingredient_is_necessary[zero extension of scopes]` |
| random primes | `test_ingredient_is_necessary[random primes]` |
| one field for each round, a second round | `test_second_round_is_necessary` |
| calls identical but for names | `test_ingredient_is_necessary[all of identical calls]` |
| an index bijection between calls | `test_ingredient_is_necessary[bijection between calls]` |
| arguments equal everywhere under it | `test_ingredient_is_necessary[equality under a cut]` |
| symmetries of a call hold everywhere | `test_proof_of_symmetries_is_necessary` |
| definitions are cut where they are equal everywhere | `test_proof_of_cuts_is_necessary` |
| all arguments of a call | `test_ingredient_is_necessary[every argument of a call]` |
| functions that keep 0, and no others | `test_ingredient_is_necessary[functions that keep 0]` |
| a call is 0 outside of its support | `test_ingredient_is_necessary[guards of a support]` |
| the guards of all terms bound a support | `test_ingredient_is_necessary[terms of a support]` |
| the random inputs depend on all of an index | `test_ingredient_is_necessary[random inputs]` |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from bench.oracle import first_difference, outputs
from verify_cases import Shapes, program, single

from einnet.expr.index import iterators_of, var
from einnet.expr.program import Program
from einnet.verify import (
    cells,
    cuts,
    field,
    flatten,
    independent,
    periods,
    positions,
    problem,
    segment,
    support,
)
from einnet.verify import straighten as straightening
from einnet.verify.certificate import Segment
from einnet.verify.equivalence import Different, Equal, compare
from einnet.verify.field import Randoms

Function = Callable[..., Any]
Chain = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Ingredient:
    """`broken` makes what takes the place of `name` in `module` from what stands there.

    A program is one scope, or named ones of which the last is the output.
    """

    module: Any
    name: str
    broken: Callable[[Function], Function]
    shapes: Shapes
    reference: str | Chain
    candidate: str | Chain

    def program(self, text: str | Chain) -> Program:
        if isinstance(text, str):
            return single(self.shapes, text)
        return program(self.shapes, text, [text[-1][0]])


def are_unequal(reference: Program, candidate: Program) -> bool:
    return first_difference(outputs(reference, 0), outputs(candidate, 0)) is not None


# What takes the place of an ingredient -----------------------------------------------------------


def all_keep_zero(functions: Any) -> Any:
    return {n: replace(f, keeps_zero=True) for n, f in functions.items()}


def without_guards(support_of: Function) -> Function:
    def found(arguments: object) -> Any:
        return replace(support_of(arguments), guards=())

    return found


def of_the_first_term(_: Function) -> Function:
    def common(arguments: Any) -> Any:
        return list(arguments[0].terms[0].guards)

    return common


def no_periods(_: Function) -> Function:
    def common_period(*_: object) -> int:
        return 1

    return common_period


def no_guard_periods(_: Function) -> Function:
    def guard_period(*_: object) -> int:
        return 1

    return guard_period


def of_the_reference(_: Function) -> Function:
    def period(self: problem.Problem, name: str) -> int:
        return periods.common_period(self.reference, name)

    return period


def no_residues(patches: Function) -> Function:
    def of_any_residue(problem: object, axes: object, whole: Any, *rest: object) -> Any:
        return patches(problem, axes, dict.fromkeys(whole, 1), *rest)

    return of_any_residue


def one_live_set(_: Function) -> Function:
    def live_sets(*arguments: Any) -> Any:
        return np.zeros(arguments[2].shape[1], np.int64)

    return live_sets


def without_ranges(substitute: Function) -> Function:
    def without_guards(*arguments: object) -> Any:
        return substitute(*arguments[:4])

    return without_guards


def base_only(spanning: Any) -> Any:
    return property(lambda patch: spanning.func(patch)[:1])


def without(condition: str) -> Callable[[Function], Function]:
    """Independent sums without one of the conditions on them."""

    def broken(_: Function) -> Function:
        def independent_sums(slots: Any, values: Any, terms: Any, alone: Any) -> Any:
            while True:
                found: dict[int, Any] = {}
                for n, term in enumerate(terms):
                    reads = [e for e in term.elements for t, _ in slots if e.tensor.name == t]
                    names = {e.index[d].name for e in reads for t, d in slots if e.tensor.name == t}
                    named = [
                        i
                        for i in alone[n]
                        if i.name in names and (condition == "all reads" or len(names) == 1)
                    ]
                    own = [i for i in named if condition == "range" or i.range == values]
                    if names and not own and condition != "all terms":
                        return {}
                    found.update((n, i) for i in own)
                reached = slots.union(*(alone[n][i] for n, i in found.items()))
                if reached == slots or condition == "all tensors":
                    return found
                slots = reached

        return independent_sums

    return broken


def of_the_same_tensors(_: Function) -> Function:
    def tensors(scope: Any) -> Any:
        return scope.tensors

    return tensors


def in_guards_too(alone: Function) -> Function:
    def without_guards(term: Any) -> Any:
        return alone(replace(term, guards=()))

    return without_guards


def in_other_indices_too(_: Function) -> Function:
    def where_bare(term: Any) -> Any:
        slots: Any = {i: set() for i in term.sums if i.extent > 1}
        for element in term.elements:
            for dimension, index in enumerate(element.index):
                for iterator, found in slots.items():
                    if index.name == iterator.name:
                        found.add((element.tensor.name, dimension))
        return {i: frozenset(found) for i, found in slots.items() if found}

    return where_bare


def two_slopes(slope_count: Function) -> Function:
    def at_most_two(*arguments: object) -> int:
        return min(slope_count(*arguments), 2)

    return at_most_two


def one_degree_less(positions_of: Function) -> Function:
    def with_fewer_slopes(cell: object, axes: object, slopes: int, *rest: object) -> Any:
        return positions_of(cell, axes, max(slopes - 1, 1), *rest)

    return with_fewer_slopes


def axes_only(simplex: Function) -> Function:
    def without_corners(*arguments: object) -> Any:
        found = simplex(*arguments)
        return np.where(((found != found[0]).sum(axis=1) <= 1)[:, None], found, found[0])

    return without_corners


def first_of_narrow(simplex: Function) -> Function:
    def without_narrow(box: tuple[tuple[int, int, int], ...], slopes: int) -> Any:
        found = simplex(box, slopes)
        narrow = np.array([count < slopes for _, _, count in box])
        return np.where(narrow, found[0], found)

    return without_narrow


def slopes_of_the_candidate(slope_count: Function) -> Function:
    def of_one(problem_: problem.Problem, whole: object) -> int:
        own = problem.Problem(problem_.axes, (), problem_.candidate, problem_.origin)
        return slope_count(own, whole)

    return of_one


def one_order(_: Function) -> Function:
    def arrangements(reads: list[tuple[str, object]]) -> set[tuple[object, ...]]:
        return {tuple(slopes for _, slopes in reads)}

    return arrangements


def never_outside(_: Function) -> Function:
    def outside(*_: object) -> list[object]:
        return []

    return outside


def known_primes(_: Function) -> Function:
    def mersenne(_: int, number: int) -> tuple[int, ...]:
        return (2**31 - 1,) * number

    return mersenne


def by_name(read_at: Function) -> Function:
    def in_order(symbol: Any, index: Any) -> Any:
        names = sorted(frozenset[str]().union(*map(iterators_of, index)))
        return read_at(symbol, tuple(var(n) for n in names))

    return in_order


def samples_only(check: Function) -> Function:
    def unproved(name: str, *rest: object) -> Any:
        if "#" in name:  # A symbol: the arguments of two calls are compared.
            return Segment(name, 0, 0, (0, 0), 1, 0, 0, "a few samples")
        return check(name, *rest)

    return unproved


def first_argument(mapped: Function) -> Function:
    def of_one(self: object, symbol: object, theirs: Any, arguments: Any, *rest: object) -> Any:
        return mapped(self, symbol, theirs[:1], arguments[:1], *rest)

    return of_one


def of_the_last_digit(at: Function) -> Function:
    def folded(self: object, name: str, keys: Any) -> Any:
        return at(self, name, keys % 5)

    return folded


# The pairs ---------------------------------------------------------------------------------------

# (1 - t)(1 - x t)(1 - x^2 t) by powers of t, at t = x^-v: 0 for v in 0:3, and for no other v.
FOUR_SLOPES = (
    "L<v:6> X[20] + X[21-2*v] + X[22-2*v] + X[23-2*v]",
    "L<v:6> X[20-v] + X[21-v] + X[22-v] + X[23-3*v]",
)
THIRD_RESIDUE = ("L<v:13> X[v]", "L<v:13> X[3*(v div 3) + (v mod 3 + 1) div 2]")
DIAGONAL = ("L<h:5,w:5> X[0] + X[h+w]", "L<h:5,w:5> X[h] + X[w]")
REFLECTION = ("L<v:6> X[v+5] + X[6-v]", "L<v:6> X[5] + X[6]")

INGREDIENTS = {
    "period of an index": Ingredient(
        problem,
        "common_period",
        no_periods,
        {"X": (12,)},
        "L<v:12> X[v]",
        "L<v:12> X[3*(v div 3) + (v mod 3 + 1) div 2]",
    ),
    "period of a residue guard": Ingredient(
        periods,
        "guard_period",
        no_guard_periods,
        {"X": (13,)},
        "L<v:13> X[v]",
        "L<v:13> X[v] + X[v]*[(v+1) mod 3 = 0]",
    ),
    "periods of both programs": Ingredient(
        problem.Problem, "period", of_the_reference, {"X": (13,)}, *THIRD_RESIDUE
    ),
    "residues of a cell": Ingredient(cells, "_patches", no_residues, {"X": (13,)}, *THIRD_RESIDUE),
    "live sets": Ingredient(
        cells,
        "_live_sets",
        one_live_set,
        {"X": (12,)},
        "L<v:12> X[v]",
        "L<v:12> X[v]*[0 <= v < 11]",
    ),
    "range of a straightened sum": Ingredient(
        straightening,
        "substitute_flat",
        without_ranges,
        {"X": (12,), "K": (4,)},
        "L<h:9> S<t:12> X[t]*K[t-h]",
        "L<h:9> S<t:11> X[t]*K[t-h]",
    ),
    "terms of an independent sum": Ingredient(
        independent,
        "_independent",
        without("all terms"),
        {"X": (4,)},
        "L<v:2> S<c:4> X[c]",
        "L<v:2> X[0]",
    ),
    "reads of an independent sum": Ingredient(
        independent,
        "_independent",
        without("all reads"),
        {"X": (4,)},
        "L<v:2> S<c:4> X[c]*X[c]",
        "L<v:2> S<c:4> X[c]*X[0]",
    ),
    "tensors of an independent sum": Ingredient(
        independent,
        "_independent",
        without("all tensors"),
        {"X": (4,), "Z": (4,)},
        "L<v:2> S<c:4> X[c]*Z[c]",
        "L<v:2> S<c:4> X[c]*Z[0]",
    ),
    "range of an independent sum": Ingredient(
        independent,
        "_independent",
        without("range"),
        {"X": (4,)},
        "L<v:2> S<c:4> X[c]",
        "L<v:2> S<c:3> X[c]",
    ),
    "guards on an independent sum": Ingredient(
        independent,
        "_alone",
        in_guards_too,
        {"X": (4,)},
        "L<v:2> S<c:4> X[c]",
        "L<v:2> S<c:4> X[c]*[c mod 2 = 0]",
    ),
    "other indices of an independent sum": Ingredient(
        independent,
        "_alone",
        in_other_indices_too,
        {"X": (4,), "Z": (8,)},
        "L<v:2> S<c:4> X[c]*Z[c+1]",
        "L<v:2> S<c:4> X[c]*Z[2*c+1]",
    ),
    "affine positions": Ingredient(
        cells.Patch, "spanning", base_only, {"X": (5, 5)}, "L<h:5,w:5> X[h,w]", "L<h:5,w:5> X[h,0]"
    ),
    "simplex on one axis": Ingredient(
        segment, "slope_count", two_slopes, {"X": (12,)}, *REFLECTION
    ),
    "simplex on two axes": Ingredient(segment, "slope_count", two_slopes, {"X": (9,)}, *DIAGONAL),
    "degree of the simplex": Ingredient(
        segment, "positions_of", one_degree_less, {"X": (24,)}, *FOUR_SLOPES
    ),
    "corners of the simplex": Ingredient(positions, "_simplex", axes_only, {"X": (9,)}, *DIAGONAL),
    "axes below the degree": Ingredient(
        positions,
        "_simplex",
        first_of_narrow,
        {"X": (17, 2)},
        "L<h:9,w:2> X[h+8,0] + X[8-h,0] + X[0,w]",
        "L<h:9,w:2> X[h+8,0] + X[8-h,0] + X[0,0]",
    ),
    "slopes of both programs": Ingredient(
        segment, "slope_count", slopes_of_the_candidate, {"X": (12,)}, *REFLECTION
    ),
    "orders of a repeated tensor": Ingredient(
        positions,
        "arrangements",
        one_order,
        {"X": (30,)},
        "L<v:5> X[v+10]*X[13]",
        "L<v:5> X[13-2*v]*X[3*v+10]",
    ),
    "zero extension of reads": Ingredient(
        flatten,
        "outside",
        never_outside,
        {"M": (4, 5)},
        "L<i:3,j:5> M[i,j+1]",
        "L<i:3,j:5> M[(5*i+j+1) div 5,(5*i+j+1) mod 5]",
    ),
    "zero extension of scopes": Ingredient(
        flatten,
        "outside",
        never_outside,
        {"X": (12,)},
        "L<i:8> {L<a:8> X[a+1]}[i+1]",
        "L<i:8> X[i+2]",
    ),
    "random primes": Ingredient(
        field, "random_primes", known_primes, {"X": (5,)}, "L<i:5> 2147483647*X[i]", "L<i:5> 0"
    ),
    "all of identical calls": Ingredient(
        cuts,
        "anonymous",
        of_the_same_tensors,
        {"X": (9,)},
        "L<v:8> relu(X[v])",
        "L<v:8> relu(X[v+1])",
    ),
    "bijection between calls": Ingredient(
        cuts,
        "_read_at",
        by_name,
        {"X": (3, 4, 4)},
        (("R", "L<c:3,h:4,w:4> relu(X[c,h,w])"),),
        (("A", "L<h:4,w:4,c:3> relu(X[c,w,h])"), ("Z", "L<c:3,h:4,w:4> A[h,w,c]")),
    ),
    "equality under a cut": Ingredient(
        cuts,
        "check",
        samples_only,
        {"X": (1000,)},
        "L<v:1000> relu(X[v])",
        "L<v:1000> relu(X[v] + X[v]*[999 <= v < 1000])",
    ),
    "every argument of a call": Ingredient(
        cuts.Session,
        "_mapped",
        first_argument,
        {"X": (6,), "Z": (6,)},
        "L<v:6> maximum(X[v], Z[v])",
        "L<v:6> maximum(X[v], 2*Z[v])",
    ),
    "functions that keep 0": Ingredient(
        cuts,
        "MEANINGS",
        all_keep_zero,
        {"X": (8,)},
        "L<v:9> exp(X[v-1])",
        "L<v:9> exp(X[v-1])*[1 <= v < 9]",
    ),
    "guards of a support": Ingredient(
        cuts,
        "support_of",
        without_guards,
        {"X": (8,)},
        "L<v:8> relu(X[v]*[v mod 2 = 0])",
        (("R", "L<u:4> relu(X[2*u])"), ("Y", "L<v:8> R[v div 2]")),
    ),
    "terms of a support": Ingredient(
        support,
        "_common",
        of_the_first_term,
        {"X": (8,), "Z": (8,)},
        "L<v:8> relu(X[v]*[v mod 2 = 0] + Z[v])",
        "L<v:8> relu(X[v]*[v mod 2 = 0] + Z[v])*[v mod 2 = 0]",
    ),
    "random inputs": Ingredient(
        Randoms, "at", of_the_last_digit, {"M": (4, 5)}, "L<i:4,j:5> M[i,j]", "L<i:4,j:5> M[0,j]"
    ),
}


@pytest.mark.parametrize("ingredient", INGREDIENTS.values(), ids=INGREDIENTS)
def test_ingredient_is_necessary(ingredient: Ingredient, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = ingredient.program(ingredient.reference)
    candidate = ingredient.program(ingredient.candidate)
    assert are_unequal(reference, candidate)
    assert isinstance(compare(reference, candidate), Different)
    original = getattr(ingredient.module, ingredient.name)
    monkeypatch.setattr(ingredient.module, ingredient.name, ingredient.broken(original))
    assert isinstance(compare(reference, candidate), Equal)


def test_second_round_is_necessary() -> None:
    # Made for the seed: the two products agree in the field of its first round.
    (first, *_), (second, *_) = Randoms(0, 2).at("X", np.arange(2)).T
    shapes = {"X": (2,)}
    reference = single(shapes, f"L<v:1> {second}*X[0]")
    candidate = single(shapes, f"L<v:1> {first}*X[1]")
    assert are_unequal(reference, candidate)
    assert isinstance(compare(reference, candidate, rounds=1), Equal)
    assert isinstance(compare(reference, candidate), Different)
    assert isinstance(compare(reference, candidate, seed=1, rounds=1), Different)


def test_proof_of_symmetries_is_necessary(monkeypatch: pytest.MonkeyPatch) -> None:
    # Symmetric but for one position, which neither a few samples nor counterexamples hit.
    call = "L<h:60,w:60> relu(X[h+w] + X[0]*[31 <= h < 32]*[44 <= w < 45])"
    reference, candidate = (
        program({"X": (120,)}, [("R", call), ("Y", f"L<h:60,w:60> R[{index}]")], ["Y"])
        for index in ("h,w", "w,h")
    )
    assert are_unequal(reference, candidate)
    assert not isinstance(compare(reference, candidate), Equal)
    monkeypatch.setattr(cuts, "check", samples_only(cuts.check))
    assert isinstance(compare(reference, candidate), Equal)


def test_proof_of_cuts_is_necessary(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is multiplied out is wrong at one position, which a few samples do not hit.
    spoilt = " + X[0]*[31 <= h < 32]*[44 <= w < 45]"
    reference, candidate = (
        program(
            {"X": (120,), "Z": (60,)},
            [
                ("B", f"L<h:60,w:60> X[h] + Z[w]{more}"),
                ("Y", f"L<h:60,w:60> {'*'.join(['B[h,w]'] * 9)}"),
            ],
            ["Y"],
        )
        for more in ("", spoilt)
    )
    assert are_unequal(reference, candidate)
    assert isinstance(compare(reference, candidate), Different)
    monkeypatch.setattr(cuts, "check", samples_only(cuts.check))
    assert isinstance(compare(reference, candidate), Equal)


def test_the_docstring_lists_every_test() -> None:
    assert __doc__ is not None
    listed = {line.split("`")[1] for line in __doc__.splitlines() if line.count("`") == 2}
    own = {f"test_ingredient_is_necessary[{name}]" for name in INGREDIENTS}
    assert {n for n in listed if n.startswith("test_")} == own | {
        test_second_round_is_necessary.__name__,
        test_proof_of_symmetries_is_necessary.__name__,
        test_proof_of_cuts_is_necessary.__name__,
    }
