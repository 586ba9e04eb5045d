"""Pairs that agree at PET's m + 1 positions of a box and differ elsewhere in it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest
from verify_cases import Shapes, dense_outputs, differences, single

from einnet.verify.equivalence import Different, compare


@dataclass(frozen=True)
class Trap:
    shapes: Shapes
    reference: str
    candidate: str
    agree: tuple[tuple[int, ...], ...]


TRAPS = {
    "reflection": Trap({"X": (12,)}, "L<v:6> X[v+5] + X[6-v]", "L<v:6> X[5] + X[6]", ((0,), (1,))),
    # c = 3, and the tensor is read from 10 on, so that no read leaves it.
    "product": Trap(
        {"X": (30,)},
        "L<v:5> X[v+10]*X[13]",
        "L<v:5> X[13-2*v]*X[3*v+10]",
        ((0,), (1,)),
    ),
    "diagonal": Trap(
        {"X": (9,)},
        "L<h:5,w:5> X[0] + X[h+w]",
        "L<h:5,w:5> X[h] + X[w]",
        tuple((h, w) for h, w in product(range(5), range(5)) if h == 0 or w == 0),
    ),
    # min(v mod 3, 1) is (v mod 3 + 1) div 2.
    "residue": Trap(
        {"X": (12,)},
        "L<v:12> X[v]",
        "L<v:12> X[3*(v div 3) + (v mod 3 + 1) div 2]",
        tuple((v,) for v in range(12) if v % 3 != 2),
    ),
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
def test_traps_agree_at_the_naive_positions(trap: Trap) -> None:
    left = dense_outputs(single(trap.shapes, trap.reference), 1)[0]
    right = dense_outputs(single(trap.shapes, trap.candidate), 1)[0]
    rank = left.ndim
    naive = [(0,) * rank] + [tuple(int(d == e) for e in range(rank)) for d in range(rank)]
    assert set(naive) <= set(trap.agree)
    assert all(left[p] == right[p] for p in trap.agree)


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
def test_traps_are_refuted(trap: Trap) -> None:
    reference = single(trap.shapes, trap.reference)
    candidate = single(trap.shapes, trap.candidate)
    verdict = compare(reference, candidate)
    assert isinstance(verdict, Different)
    assert verdict.position in differences(reference, candidate)
    assert verdict.position not in trap.agree


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
def test_traps_are_refuted_either_way_round(trap: Trap) -> None:
    reference = single(trap.shapes, trap.reference)
    candidate = single(trap.shapes, trap.candidate)
    assert isinstance(compare(candidate, reference), Different)
