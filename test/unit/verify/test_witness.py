"""A fault at one row, corner or diagonal under a function is refuted, not left undecided."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from verify_cases import differences, program

from einnet.expr.index import evaluate
from einnet.expr.nodes import Iterator, Tensor
from einnet.expr.text import parse_index
from einnet.verify.equivalence import Different, compare
from einnet.verify.flatten import Element, FlatScope, FlatTerm
from einnet.verify.witness import witnesses

SIZE = 60
IMAGE = f"h:{SIZE},w:{SIZE}"
SHAPES = {"X": (SIZE, SIZE), "K": (3, 3)}
AFTER = {
    "nothing": [],
    "a transposition": [("O", f"L<{IMAGE}> C[w,h]")],
    "a convolution": [("O", f"L<{IMAGE}> S<r:3,s:3> C[h+r-1,w+s-1]*K[r,s]")],
    "digits": [
        ("D", f"L<a:{SIZE // 4},b:4,w:{SIZE}> C[4*a+b,w]"),
        ("O", f"L<{IMAGE}> D[h div 4,h mod 4,w]"),
    ],
    "another function": [
        ("D", f"L<{IMAGE}> S<r:3> C[h+r-1,w]"),
        ("O", f"L<{IMAGE}> tanh(D[h,w])"),
    ],
}
FAULTS = {
    "corner": f"[{2 * SIZE - 2} <= h+w < {2 * SIZE}]",
    "row": "[17 <= h < 18]*[w mod 7 = 0]",
    "diagonal": "[51 <= h-w < 52]",
    "position": "[31 <= h < 32]*[44 <= w < 45]",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("after", AFTER)
def test_small_fault_under_a_function(after: str, fault: str) -> None:
    def chain(body: str) -> list[tuple[str, str]]:
        return [("C", f"L<{IMAGE}> relu({body})"), *AFTER[after]]

    output = AFTER[after][-1][0] if AFTER[after] else "C"
    reference = program(SHAPES, chain("X[h,w]"), [output])
    candidate = program(SHAPES, chain(f"X[h,w] + X[h,w]*{FAULTS[fault]}"), [output])
    verdict = compare(reference, candidate)
    assert isinstance(verdict, Different)
    assert verdict.position in differences(reference, candidate)


@dataclass(frozen=True)
class Call:
    arguments: tuple[FlatScope, ...]
    differing: tuple[tuple[int, ...], ...]


def reading(*index: str) -> FlatScope:
    """The symbol C read at indices over h:20, w:30 and a sum over r:3."""
    axes, sums = (Iterator("h", 0, 20), Iterator("w", 0, 30)), (Iterator("r", 0, 3),)
    ranges = {i.name: i.range for i in axes + sums}
    element = Element(Tensor("C", (8, 9)), tuple(parse_index(e, ranges) for e in index))
    return FlatScope(axes, (FlatTerm(Fraction(1), sums, (element,)),))


@pytest.mark.parametrize(
    ("index", "found"),
    [
        (("h", "w"), True),
        (("h+r-1", "w"), True),
        (("w div 4", "2*(w mod 4)+h mod 2"), True),
        (("7-h", "w-20"), True),
        (("2*h", "w"), False),  # Row 5 is odd.
        (("h", "h"), False),
    ],
)
def test_a_witness_reads_the_differing_element(index: tuple[str, ...], found: bool) -> None:
    # Axes start at 2 and at -1: position (7, 3) is the element (5, 4).
    inner = FlatScope((Iterator("a", 2, 10), Iterator("b", -1, 8)), ())
    scope = reading(*index)
    places = witnesses(scope, {"C": Call((inner,), ((7, 3),))})
    assert bool(places) == found
    (element,) = scope.terms[0].elements
    for h, w in places:
        values = [
            [evaluate(e, {"h": h, "w": w, "r": r}.__getitem__, 0) for e in element.index]
            for r in range(3)
        ]
        assert [5, 4] in values


def test_what_does_not_differ_has_no_witness() -> None:
    scope = reading("h", "w")
    assert witnesses(scope, {}) == []
    assert witnesses(scope, {"C": Call((FlatScope(scope.axes, ()),), ())}) == []
