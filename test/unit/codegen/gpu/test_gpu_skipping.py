"""Thinned sums mean what they did, over fewer points."""

from math import prod

import numpy as np
import pytest

from einnet.codegen.gpu.skipping import thinned
from einnet.expr.interpreter import Field, dense, evaluate_everywhere
from einnet.expr.nodes import Residue
from kernels import case

TRANSPOSED = """L<h:8,w:8,f:3> S<c:2,r:4,s:4> X[(h+1-r) div 2,(w+1-s) div 2,c]*W[c,f,r,s]
    *[(h+1-r) mod 2 = 0]*[(w+1-s) mod 2 = 0]"""

THINNED = [
    (TRANSPOSED, {"X": (4, 4, 2), "W": (2, 3, 4, 4)}, 2 * 2 * 2),
    ("L<i:5> S<k:10> X[i,k]*[(k+i) mod 3 = 0]", {"X": (5, 10)}, 4),  # not a multiple of 3
    ("L<i:5> S<k:-3:9> X[i,k]*[(2*i-k+1) mod 4 = 0]", {"X": (5, 9)}, 3),  # not from 0
    ("L<i:5> S<k:9> X[i,k]*[(5*k+i) mod 3 = 0]", {"X": (5, 9)}, 3),  # 5 is -1
    ("L<i:5> S<j:6,k:6> X[i,k]*[(j+k) mod 2 = 0]", {"X": (5, 6)}, 18),  # of two sums one
    ("L<i:5> S<k:9> X[i,k]*[k mod 3 = 0] + 2*X[i,k]*X[i,k]*[k mod 3 = 0]", {"X": (5, 9)}, 3),
]


@pytest.mark.parametrize(("text", "shapes", "points"), THINNED)
def test_meaning(text: str, shapes: dict[str, tuple[int, ...]], points: int) -> None:
    scope = case(text, **shapes).definition.scope
    rng = np.random.default_rng(3)
    arrays = {n: rng.integers(0, 1000, shape) for n, shape in shapes.items()}
    found = thinned(scope)
    np.testing.assert_array_equal(
        evaluate_everywhere(found, dense(arrays), Field()),
        evaluate_everywhere(scope, dense(arrays), Field()),
    )
    assert prod(i.extent for i in found.summation) == points
    assert not any(isinstance(g, Residue) for t in found.body for g in t.guards)


@pytest.mark.parametrize(
    "text",
    [
        "L<i:5> S<k:9> X[i,k]*[(2*k+i) mod 4 = 0]",  # at two residues or none
        "L<i:5> S<k:9> X[i,k]*[k div 2 mod 3 = 0]",  # inside a division
        "L<i:5> S<k:9> X[i,k]*[k mod 3 = 0] + X[i,k]",  # one term of two
        "L<i:5> S<k:9> X[i,k]*[i mod 3 = 0]",  # not of the sum
    ],
)
def test_what_stays_as_it_is(text: str) -> None:
    scope = case(text, X=(5, 9)).definition.scope
    assert thinned(scope) is scope


def test_iterators_that_are_kept() -> None:
    scope = case("L<i:5> S<k:9> X[i,k]*[k mod 3 = 0]", X=(5, 9)).definition.scope
    assert thinned(scope, frozenset("k")) is scope
