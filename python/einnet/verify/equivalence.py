"""Are two programs equal for all inputs? Random testing in a prime field at enough positions.

The parts are `flatten` (programs as sums), `cuts` (nonlinear
functions), `problem` and `cells` (where a sum has one shape), `positions` (which positions decide a
cell), `evaluate` and `field` (random values). Equality is over the rationals, so that no rounding
enters: constants are compared modulo the prime, inputs are random.
"""

from __future__ import annotations

from dataclasses import dataclass

from einnet.errors import InputError
from einnet.expr.check import check_program, check_scope
from einnet.expr.nodes import Scope
from einnet.expr.program import Program
from einnet.verify.certificate import Certificate
from einnet.verify.cuts import Session
from einnet.verify.field import Randoms
from einnet.verify.flatten import FlatScope, UndecidedError, flatten
from einnet.verify.regions import Box
from einnet.verify.segment import DEFAULT_BUDGET, Budget, Mismatch


@dataclass(frozen=True)
class Equal:
    """Proved, up to the certificate's error bound."""

    certificate: Certificate


@dataclass(frozen=True)
class Different:
    """Not equal: `output` differs at `position`, where it has the two field values for the random
    inputs of `seed`. Nonlinear functions are read as arbitrary functions.

    `boxes` cover all positions of that output that are not shown equal, in `cells` cells; at every
    other position of it the programs are equal.
    """

    output: str
    position: tuple[int, ...]
    values: tuple[int, int]
    boxes: tuple[Box, ...]
    cells: int
    seed: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = ", ".join(map(str, self.position))
        left, right = self.values
        text = f"{self.output}[{where}] is {left} in the reference and {right} in the candidate"
        return "; ".join([text, *self.notes])


@dataclass(frozen=True)
class Undecided:
    """Neither proved nor refuted."""

    reason: str


Verdict = Equal | Different | Undecided


def compare(
    reference: Program,
    candidate: Program,
    *,
    seed: int = 0,
    rounds: int = 2,
    budget: Budget = DEFAULT_BUDGET,
) -> Verdict:
    """Whether the programs, functions of the same inputs, have equal outputs, in order.

    Outputs may have other names. Raises InputError if inputs or outputs do not correspond, and
    MalformedError for a program that breaks the language's rules.
    """
    check_program(reference)
    check_program(candidate)
    _check_signature(reference, candidate)
    session = Session(Randoms(seed, rounds), budget)
    try:
        ours = session.outputs(reference, candidate=False)
        theirs = session.outputs(candidate, candidate=True)
    except UndecidedError as reason:
        return Undecided(str(reason))
    names = [t.name for t in reference.outputs]
    return _verdict(session, list(zip(names, ours, theirs, strict=True)))


def compare_scopes(
    reference: Scope,
    candidate: Scope,
    *,
    seed: int = 0,
    rounds: int = 2,
    budget: Budget = DEFAULT_BUDGET,
) -> Verdict:
    """Whether two scopes over equal boxes denote the same tensor. Tensors of one name are one."""
    for scope in (reference, candidate):
        check_scope(scope)
    if reference.box != candidate.box:
        raise InputError(f"the scopes have different boxes: {reference.box}, {candidate.box}")
    session = Session(Randoms(seed, rounds), budget)
    try:
        sides = [
            flatten(scope, {}, session.namer("the scope", side), budget.terms)
            for scope, side in ((reference, "reference"), (candidate, "candidate"))
        ]
    except UndecidedError as reason:
        return Undecided(str(reason))
    return _verdict(session, [("result", sides[0], sides[1])])


def _check_signature(reference: Program, candidate: Program) -> None:
    ours = {t.name: (t.shape, t.dtype) for t in reference.inputs}
    theirs = {t.name: (t.shape, t.dtype) for t in candidate.inputs}
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            raise InputError(
                f"input {name} is {_shown(ours.get(name))} in {reference.name} and "
                f"{_shown(theirs.get(name))} in {candidate.name}",
                hint="programs can be compared when they have the same inputs",
            )
    shapes = [[(t.shape, t.dtype) for t in p.outputs] for p in (reference, candidate)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"the outputs of {reference.name} are {', '.join(map(_shown, shapes[0]))}, those of "
            f"{candidate.name} {', '.join(map(_shown, shapes[1]))}",
            hint="programs can be compared when their outputs have the same shapes, in order",
        )


def _shown(kind: tuple[tuple[int, ...], str] | None) -> str:
    return "x".join([*map(str, kind[0]), kind[1]]) if kind else "missing"


def _verdict(session: Session, outputs: list[tuple[str, FlatScope, FlatScope]]) -> Verdict:
    for name, ours, theirs in outputs:
        try:
            result = session.compare(name, ours, theirs)
        except UndecidedError as reason:
            return Undecided(f"{name}: {reason}")
        if isinstance(result, Mismatch):
            return _refuted(session, name, ours, theirs, result)
        session.segments.append(result)
    randoms = session.randoms
    return Equal(
        Certificate(tuple(session.segments), randoms.seed, randoms.rounds, session.comparisons)
    )


def _refuted(
    session: Session, name: str, ours: FlatScope, theirs: FlatScope, found: Mismatch
) -> Different | Undecided:
    """Symbols of calls may be related in ways that were not proved: then only values of the
    functions themselves, read as random ones, refute."""
    values = found.values
    if session.depends_on_functions(ours) or session.depends_on_functions(theirs):
        why = "; ".join([f"{name} was not shown equal", *session.unmatched])
        try:
            left = session.interpreted(ours, found.position)
            right = session.interpreted(theirs, found.position)
        except UndecidedError as reason:
            return Undecided(f"{why}; {reason}")
        if left == right:
            return Undecided(f"{why}; the programs agree at {found.position}")
        values = next((x, y) for x, y in zip(left, right, strict=True) if x != y)
    return Different(
        name,
        found.position,
        values,
        found.boxes,
        found.cells,
        session.randoms.seed,
        tuple(session.unmatched),
    )
