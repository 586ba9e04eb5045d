"""Calls whose arguments are symmetric correspond in several ways; all of them are the right one."""

from __future__ import annotations

from typing import Any

import pytest
from bench.oracle import first_difference, outputs
from verify_cases import program

from einnet.expr.program import Program
from einnet.verify.cuts import Session
from einnet.verify.equivalence import Different, Equal, Undecided, compare

SHAPES = {"X": (40,), "Z": (9, 9), "A": (9, 5)}


def of(*statements: tuple[str, str]) -> Program:
    return program(SHAPES, statements, ["Y"])


def are_equal(reference: Program, candidate: Program) -> bool:
    return first_difference(outputs(reference, 0), outputs(candidate, 0)) is None


GRAM = "S<k:5> A[{0},k]*A[{1},k]"
SCORES = of(
    ("S", f"L<i:9,j:9> {GRAM.format('i', 'j')}"),
    ("E", "L<i:9,j:9> exp(S[i,j])"),
    ("Y", "L<i:9,k:5> S<j:9> E[i,j]*A[j,k]"),
)
SUMS = of(
    ("R", "L<h:9,w:9> relu(X[h+w])"),
    ("Y", "L<h:9,w:9> maximum(R[h,w], Z[h,w])"),
)
EQUAL = {
    "another layout": (
        SUMS,
        of(("C", "L<w:9,h:9> relu(X[h+w])"), ("Y", "L<h:9,w:9> maximum(C[w,h], Z[h,w])")),
    ),
    "arguments exchanged": (
        SUMS,
        of(("C", "L<w:9,h:9> relu(X[h+w])"), ("Y", "L<h:9,w:9> maximum(Z[h,w], C[w,h])")),
    ),
    "read in another layout": (
        SUMS,
        of(("C", "L<w:9,h:9> relu(X[h+w])"), ("Y", "L<h:9,w:9> maximum(C[h,w], Z[h,w])")),
    ),
    "scores": (
        SCORES,
        of(
            ("S", f"L<j:9,i:9> {GRAM.format('i', 'j')}"),
            ("E", "L<j:9,i:9> exp(S[j,i])"),
            ("Y", "L<i:9,k:5> S<j:9> E[j,i]*A[j,k]"),
        ),
    ),
    "three axes": (
        of(
            ("R", "L<a:4,b:4,c:4> relu(X[a+b+c])"),
            ("Y", "L<h:9,w:9> R[h div 3,h mod 3,w mod 4]*Z[h,w]"),
        ),
        of(
            ("R", "L<a:4,b:4,c:4> relu(X[a+b+c])"),
            ("Y", "L<h:9,w:9> R[w mod 4,h mod 3,h div 3]*Z[h,w]"),
        ),
    ),
    "a function of exchanged arguments": (
        of(
            ("M", "L<h:9,w:9> maximum(Z[h,w], Z[w,h])"),
            ("Y", "L<h:9,w:9> M[h,w]*X[h]"),
        ),
        of(
            ("M", "L<h:9,w:9> maximum(Z[h,w], Z[w,h])"),
            ("Y", "L<h:9,w:9> M[w,h]*X[h]"),
        ),
    ),
}


@pytest.mark.parametrize(("reference", "candidate"), EQUAL.values(), ids=EQUAL)
def test_equal_programs_are_proved(reference: Program, candidate: Program) -> None:
    assert are_equal(reference, candidate)
    assert isinstance(compare(reference, candidate), Equal)
    assert isinstance(compare(candidate, reference), Equal)


UNEQUAL = {
    "not symmetric": (
        of(("R", "L<h:9,w:9> relu(X[2*h+w])"), ("Y", "L<h:9,w:9> R[h,w]*Z[h,w]")),
        of(("R", "L<h:9,w:9> relu(X[2*h+w])"), ("Y", "L<h:9,w:9> R[w,h]*Z[h,w]")),
    ),
    "symmetric in two of three axes": (
        of(("R", "L<a:3,b:3,c:3> relu(X[a+b+2*c])"), ("Y", "L<h:3,w:3> R[h,w,0]")),
        of(("R", "L<a:3,b:3,c:3> relu(X[a+b+2*c])"), ("Y", "L<h:3,w:3> R[h,0,w]")),
    ),
    "symmetric but for one corner": (
        of(
            ("R", "L<h:9,w:9> relu(X[h+w] + X[0]*[8 <= h-w < 9])"),
            ("Y", "L<h:9,w:9> R[h,w]*Z[h,w]"),
        ),
        of(
            ("R", "L<h:9,w:9> relu(X[h+w] + X[0]*[8 <= h-w < 9])"),
            ("Y", "L<h:9,w:9> R[w,h]*Z[h,w]"),
        ),
    ),
}


@pytest.mark.parametrize(("reference", "candidate"), UNEQUAL.values(), ids=UNEQUAL)
def test_unequal_programs_are_refuted(reference: Program, candidate: Program) -> None:
    assert not are_equal(reference, candidate)
    assert isinstance(compare(reference, candidate), Different)


def test_a_function_of_exchanged_arguments_is_not_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without symmetries the call has to stay one of its own; its values are still those of a
    # function of two arguments in any order.
    monkeypatch.setattr(Session, "_symmetries", identity_alone(Session._symmetries))
    assert isinstance(compare(*EQUAL["arguments exchanged"]), Undecided)


def identity_alone(symmetries: Any) -> Any:
    def first(self: Session, *arguments: Any) -> Any:
        return symmetries(self, *arguments)[:1]

    return first
