"""Affinely independent points of a finite set, in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import gcd

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def spanning_points(points: Integers) -> Integers:
    """Affinely independent ones of `points[n, axis]`, which are distinct, as many as there are."""
    if points.shape[1] == 1:
        return points[:2]
    chosen = [0]
    offsets = points - points[0]
    normals = list(np.eye(offsets.shape[1], dtype=np.int64))
    while normals:
        heights = _product(offsets, normals[0])
        outside = np.nonzero(heights)[0]
        if not len(outside):
            normals = normals[1:]
            continue
        chosen.append(int(outside[0]))
        normals = _projected(normals, offsets[outside[0]])
    return points[chosen]


def _product(offsets: Integers, normal: Integers) -> Integers:
    """The exact product: in Python's integers where 64 bits may not hold it."""
    largest = max(abs(int(n)) for n in normal) * int(np.abs(offsets).max())
    exact = largest * len(normal) < 1 << 62
    return (
        offsets @ normal.astype(np.int64)
        if exact
        else offsets.astype(object) @ normal.astype(object)
    )


def _projected(normals: list[Integers], direction: Integers) -> list[Integers]:
    """The functionals that vanish on all directions so far, made to vanish on one more."""
    pivot, *others = normals
    at = _dot(pivot, direction)
    result: list[Integers] = []
    for other in others:
        ratio = Fraction(_dot(other, direction), at)
        scaled = [
            int(o) * ratio.denominator - int(p) * ratio.numerator
            for o, p in zip(other, pivot, strict=True)
        ]
        common = max(gcd(*scaled), 1)
        result.append(np.array([s // common for s in scaled], object))
    return result


def _dot(a: Integers, b: Integers) -> int:
    return sum(int(x) * int(y) for x, y in zip(a, b, strict=True))
