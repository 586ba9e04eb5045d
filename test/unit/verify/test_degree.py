"""Pairs that agree at the first k - 1 positions of a line and differ at all others, k slopes.

By the q-binomial theorem the product of `1 - x^j t` over j in 0:m is the sum over a of
`(-1)^a x^(a(a-1)/2) [m choose a]_x t^a`. At `t = x^-v` it is 0 for v in 0:m alone; read as a
difference of sums of `X[e]` for `x^e`, it has the m + 1 slopes 0, -1, .. -m. So no fewer positions
than the verifier takes decide a line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from verify_cases import dense_outputs, single

from einnet.verify.equivalence import Different, Equal, compare

LENGTH = 11


def gauss(m: int, a: int) -> Counter[int]:
    """The coefficients of the q-binomial `[m choose a]` by exponents."""
    if a in (0, m):
        return Counter({0: 1})
    shifted = {e + a: c for e, c in gauss(m - 1, a).items()}
    return gauss(m - 1, a - 1) + Counter(shifted)


def sides(m: int, v: str) -> tuple[str, str]:
    """The terms with even and those with odd a, `X` read from `base` on."""
    base = m * (LENGTH + m)
    terms: Mapping[int, list[str]] = {0: [], 1: []}
    for a in range(m + 1):
        for exponent, count in sorted(gauss(m, a).items()):
            constant = base + a * (a - 1) // 2 + exponent
            terms[a % 2].append(f"{count}*X[{constant}-{a}*({v})]")
    return " + ".join(terms[0]), " + ".join(terms[1])


@pytest.mark.parametrize("slopes", range(2, 8))
@pytest.mark.parametrize(
    ("axes", "v"), [(f"v:{LENGTH}", "v"), (f"n:2,v:{LENGTH}", "v"), ("h:6,w:6", "h+w")]
)
def test_positions_below_the_degree_do_not_decide(slopes: int, axes: str, v: str) -> None:
    m = slopes - 1
    shapes = {"X": (m * (LENGTH + m) + m * m + 1,)}
    left, right = (single(shapes, f"L<{axes}> {side}") for side in sides(m, v))
    ours, theirs = (dense_outputs(p, 1)[0] for p in (left, right))
    along = (0,) * (ours.ndim - 1)
    agreeing = [bool(ours[(*along, n)] == theirs[(*along, n)]) for n in range(ours.shape[-1])]
    assert agreeing == [n < m for n in range(ours.shape[-1])]
    verdict = compare(left, right)
    assert isinstance(verdict, Different)
    assert ours[verdict.position] != theirs[verdict.position]
    # On a line of m positions they are equal.
    short = [single(shapes, f"L<v:{m}> {side}") for side in sides(m, "v")]
    assert isinstance(compare(*short), Equal)
