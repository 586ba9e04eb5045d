"""Equal pairs are proved, and twins with one fault are refuted, as the oracle says."""

from __future__ import annotations

from itertools import product

import pytest
from verify_cases import CASES, Case, differences, single

from einnet.verify.equivalence import Different, Equal, compare

FAULTS = [(name, fault) for name, case in CASES.items() for fault in case.faults]


def covered(verdict: Different) -> set[tuple[int, ...]]:
    return {p for box in verdict.boxes for p in product(*(range(*s) for s in box))}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_equal_pairs_are_proved(case: Case) -> None:
    reference, candidate = single(case.shapes, case.reference), single(case.shapes, case.equal)
    assert not differences(reference, candidate)
    assert isinstance(compare(reference, candidate), Equal)
    assert isinstance(compare(candidate, reference), Equal)


@pytest.mark.parametrize(("name", "fault"), FAULTS)
def test_one_fault_is_refuted(name: str, fault: str) -> None:
    case = CASES[name]
    reference = single(case.shapes, case.reference)
    candidate = single(case.shapes, case.faults[fault])
    wrong = differences(reference, candidate)
    assert wrong
    verdict = compare(reference, candidate)
    assert isinstance(verdict, Different)
    assert verdict.position in wrong
    assert verdict.values[0] != verdict.values[1]
    assert wrong <= covered(verdict)


def test_failing_boxes_are_those_where_the_programs_differ() -> None:
    shapes = {"X": (2, 12, 12), "K": (3, 2, 3, 3)}
    reference = single(shapes, "L<f:3,h:12,w:12> S<c:2,r:3,s:3> X[c,h+r-1,w+s-1]*K[f,c,r,s]")
    # Zeros in the second column that belong to no padding.
    candidate = single(
        shapes, "L<f:3,h:12,w:12> S<c:2,r:3,s:3> X[c,h+r-1,w+s-1]*K[f,c,r,s]*[1 <= w+s-1 < 12]"
    )
    verdict = compare(reference, candidate)
    assert isinstance(verdict, Different)
    assert covered(verdict) == differences(reference, candidate)
    assert covered(verdict) == set(product(range(3), range(12), range(2)))


def test_failing_boxes_have_strides() -> None:
    shapes = {"X": (3, 16)}
    reference = single(shapes, "L<i:3,v:16> X[i,v]")
    candidate = single(shapes, "L<i:3,v:16> X[i,v] + [v mod 4 = 0]*X[i,v]")
    verdict = compare(reference, candidate)
    assert isinstance(verdict, Different)
    assert [tuple(map(tuple, b)) for b in verdict.boxes] == [((0, 3, 1), (0, 13, 4))]
