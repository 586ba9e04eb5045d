"""Each ingredient of the verifier is necessary: without it a named pair is wrongly accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from verify_cases import Shapes, differences, single

from einnet.verify import cells, flatten, positions, problem, segment
from einnet.verify.equivalence import Different, Equal, compare

Function = Callable[..., Any]


@dataclass(frozen=True)
class Ingredient:
    """`broken` makes what takes the place of `name` in `module` from what stands there."""

    module: Any
    name: str
    broken: Callable[[Function], Function]
    shapes: Shapes
    reference: str
    candidate: str


def no_periods(_: Function) -> Function:
    def common_period(*_: object) -> int:
        return 1

    return common_period


def two_slopes(slope_count: Function) -> Function:
    def at_most_two(*arguments: object) -> int:
        return min(slope_count(*arguments), 2)

    return at_most_two


def one_order(_: Function) -> Function:
    def arrangements(reads: list[tuple[str, object]]) -> set[tuple[object, ...]]:
        return {tuple(slopes for _, slopes in reads)}

    return arrangements


def one_live_set(_: Function) -> Function:
    def live_sets(*arguments: Any) -> Any:
        return np.zeros(arguments[2].shape[1], np.int64)

    return live_sets


def axes_only(simplex: Function) -> Function:
    def without_corners(*arguments: object) -> Any:
        found = simplex(*arguments)
        return np.where(((found != found[0]).sum(axis=1) <= 1)[:, None], found, found[0])

    return without_corners


def base_only(spanning: Function) -> Function:
    def first(patch: object) -> Any:
        return spanning(patch)[:1]

    return first


def never_outside(_: Function) -> Function:
    def outside(*_: object) -> list[object]:
        return []

    return outside


INGREDIENTS = {
    "residues": Ingredient(
        problem,
        "common_period",
        no_periods,
        {"X": (12,)},
        "L<v:12> X[v]",
        "L<v:12> X[3*(v div 3) + (v mod 3 + 1) div 2]",
    ),
    "simplex on one axis": Ingredient(
        segment,
        "slope_count",
        two_slopes,
        {"X": (12,)},
        "L<v:6> X[v+5] + X[6-v]",
        "L<v:6> X[5] + X[6]",
    ),
    "simplex on two axes": Ingredient(
        segment,
        "slope_count",
        two_slopes,
        {"X": (9,)},
        "L<h:5,w:5> X[0] + X[h+w]",
        "L<h:5,w:5> X[h] + X[w]",
    ),
    "orders of a repeated tensor": Ingredient(
        positions,
        "arrangements",
        one_order,
        {"X": (30,)},
        "L<v:5> X[v+10]*X[13]",
        "L<v:5> X[13-2*v]*X[3*v+10]",
    ),
    "cells": Ingredient(
        cells,
        "_live_sets",
        one_live_set,
        {"X": (12,)},
        "L<v:12> X[v]",
        "L<v:12> X[v]*[0 <= v < 11]",
    ),
    "corners of the simplex": Ingredient(
        positions,
        "_simplex",
        axes_only,
        {"X": (9,)},
        "L<h:5,w:5> X[0] + X[h+w]",
        "L<h:5,w:5> X[h] + X[w]",
    ),
    "affinely independent positions": Ingredient(
        positions,
        "_spanning",
        base_only,
        {"X": (5, 5)},
        "L<h:5,w:5> X[h,w]",
        "L<h:5,w:5> X[h,0]",
    ),
    "guards of zero-extended reads": Ingredient(
        flatten,
        "outside",
        never_outside,
        {"M": (4, 5)},
        "L<i:3,j:5> M[i,j+1]",
        "L<i:3,j:5> M[(5*i+j+1) div 5,(5*i+j+1) mod 5]",
    ),
}


@pytest.mark.parametrize("ingredient", INGREDIENTS.values(), ids=INGREDIENTS)
def test_ingredient_is_necessary(ingredient: Ingredient, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = single(ingredient.shapes, ingredient.reference)
    candidate = single(ingredient.shapes, ingredient.candidate)
    assert differences(reference, candidate)
    assert isinstance(compare(reference, candidate), Different)
    original = getattr(ingredient.module, ingredient.name)
    monkeypatch.setattr(ingredient.module, ingredient.name, ingredient.broken(original))
    assert isinstance(compare(reference, candidate), Equal)
