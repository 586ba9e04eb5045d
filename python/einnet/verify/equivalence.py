"""Are two programs equal for all inputs? Random testing in prime fields at enough positions.

The parts are `flatten` (programs as sums), `cuts` (nonlinear functions), `independent` (sums that
one point decides), `problem`, `straighten` and `cells` (where a sum has one shape), `positions`
(which positions decide a cell), `evaluate` and `field` (random values), `witness` (where
differences under functions show), `reals` (whether the functions themselves show them). Inputs are
random, constants are exact rationals taken modulo random primes, and no rounding enters: a
definition's element type means nothing here, a rounding to it has to be a call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, product

import numpy as np

from einnet.errors import InputError
from einnet.expr.check import check_program, check_scope
from einnet.expr.nodes import Scope, tensors_of
from einnet.expr.program import Program
from einnet.verify.certificate import Certificate
from einnet.verify.cuts import IDENTITY, Session
from einnet.verify.field import Randoms
from einnet.verify.flatten import FlatScope, ManyTermsError, UndecidedError, flatten
from einnet.verify.reals import real_difference
from einnet.verify.regions import Box
from einnet.verify.segment import DEFAULT_BUDGET, Budget, Mismatch
from einnet.verify.witness import witnesses


@dataclass(frozen=True)
class Equal:
    """Proved, up to the certificate's error bound."""

    certificate: Certificate


@dataclass(frozen=True)
class Different:
    """Not equal: `output` differs at `position`, where it has the two values for the random inputs
    of `seed`: field elements, with nonlinear functions read as arbitrary ones, or `float`s, with
    the functions themselves.

    `boxes` cover all positions of that output that are not shown equal, in `cells` cells; at every
    other position of it the programs are equal.
    """

    output: str
    position: tuple[int, ...]
    values: tuple[int, int] | tuple[float, float]
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


_FEW_TERMS = 256
"""Of a flat sum, before what is multiplied out is cut into symbols."""

_TOO_DEEP = "scopes or indices are nested too deeply"
_SAMPLED_BOXES = 8
_SAMPLES_EACH = 6
_CORNERS = 16

Verdict = Equal | Different | Undecided


def compare(
    reference: Program,
    candidate: Program,
    *,
    seed: int = 0,
    rounds: int = 2,
    budget: Budget = DEFAULT_BUDGET,
    real_functions: bool = False,
) -> Verdict:
    """Whether the programs, functions of the same inputs, have equal outputs, in order.

    Outputs may have other names and the candidate may lack weights; operations that may have
    effects have to be the same, in order. With `real_functions`, programs with nonlinear functions
    differ only where they do with these, in double precision; else it is undecided. Raises
    InputError if inputs or outputs do not correspond, MalformedError for a program that breaks the
    language's rules, and ValueError for less than one round.
    """
    inputs = frozenset(t.name for t in reference.inputs)

    def verdict(session: Session, exchanged: bool) -> Verdict:
        check_program(reference)
        check_program(candidate)
        _check_signature(reference, candidate)
        if reference == candidate:
            return Equal(_certificate(session))
        first, second = (candidate, reference) if exchanged else (reference, candidate)
        ours = session.outputs(first, candidate=False)
        theirs = session.outputs(second, candidate=True)
        session.check_effects()
        names = [t.name for t in reference.outputs]
        outputs = list(zip(names, ours, theirs, strict=True))
        return _verdict(session, outputs, real_functions=real_functions)

    return _decided(verdict, Session(Randoms(seed, rounds), budget, inputs, budget.terms))


def _decided(verdict: Callable[[Session, bool], Verdict], session: Session) -> Verdict:
    """The verdict of the first way that gives one.

    The plain way is tried with few terms, then with what is multiplied cut into symbols, then with
    all the terms that are allowed. If it stays undecided and there are calls, one more takes all
    ways into account in which they may correspond, and one has the programs exchanged: calls of the
    second are found among those of the first, of which there may be more values.
    """
    tried = session.again(terms=min(_FEW_TERMS, session.terms))
    first = _attempt(verdict, tried, exchanged=False)
    if isinstance(first, _ManyTerms):
        for cutting in ("known", "all"):
            tried = tried.again(cutting=cutting)
            cut = _attempt(verdict, tried, exchanged=False)
            if not isinstance(cut, Undecided):
                return cut
        tried = tried.again(terms=session.terms)
        first = _attempt(verdict, tried, exchanged=False)
    if not isinstance(first, Undecided) or not tried.symbols:
        return first
    tried = tried.again(symmetric=True)
    second = _attempt(verdict, tried, exchanged=False)
    if not isinstance(second, Undecided):
        return second
    third = _attempt(verdict, tried.again(), exchanged=True)
    return third if isinstance(third, Equal) else first


@dataclass(frozen=True)
class _ManyTerms(Undecided):
    """Undecided because a flat sum has too many terms."""


def _attempt(
    verdict: Callable[[Session, bool], Verdict], session: Session, *, exchanged: bool
) -> Verdict:
    try:
        return verdict(session, exchanged)
    except ManyTermsError as reason:
        return _ManyTerms(str(reason))
    except UndecidedError as reason:
        return Undecided(str(reason))
    except RecursionError:
        return Undecided(_TOO_DEEP)


def compare_scopes(
    reference: Scope,
    candidate: Scope,
    *,
    seed: int = 0,
    rounds: int = 2,
    budget: Budget = DEFAULT_BUDGET,
) -> Verdict:
    """Whether two scopes over equal boxes denote the same tensor. Tensors of one name are one."""
    try:
        declared = _check_scopes(reference, candidate)
    except RecursionError:
        return Undecided(_TOO_DEEP)

    def verdict(session: Session, exchanged: bool) -> Verdict:
        scopes = (candidate, reference) if exchanged else (reference, candidate)
        sides = [
            flatten(scope, {}, session.namer("the scope", side), session.terms)
            for scope, side in zip(scopes, ("reference", "candidate"), strict=True)
        ]
        return _verdict(session, [("result", sides[0], sides[1])])

    return _decided(verdict, Session(Randoms(seed, rounds), budget, declared, budget.terms))


def _check_scopes(reference: Scope, candidate: Scope) -> frozenset[str]:
    """The names of the tensors that two scopes read."""
    for scope in (reference, candidate):
        check_scope(scope)
    if reference.box != candidate.box:
        raise InputError(f"the scopes have different boxes: {reference.box}, {candidate.box}")
    declared = {t.name: t for t in tensors_of(reference)}
    for tensor in tensors_of(candidate):
        if declared.setdefault(tensor.name, tensor) != tensor:
            raise InputError(f"tensor {tensor.name} has two types in the scopes")
    return frozenset(declared)


def _check_signature(reference: Program, candidate: Program) -> None:
    ours = {t.name: (t.shape, t.dtype) for t in reference.inputs}
    theirs = {t.name: (t.shape, t.dtype) for t in candidate.inputs}
    for name in sorted(ours.keys() | theirs.keys()):
        # The candidate need not take a weight; if the reference's values depend on it, they differ.
        unread = name in reference.weights and name not in theirs
        if ours.get(name) != theirs.get(name) and not unread:
            raise InputError(
                f"input {name} is {_shown(ours.get(name))} in {reference.name} and "
                f"{_shown(theirs.get(name))} in {candidate.name}",
                hint="programs can be compared when they have the same inputs",
            )
    for what, sides in (
        ("weights", [sorted(p.weights & theirs.keys()) for p in (reference, candidate)]),
        ("order of the inputs", [_passed(p) for p in (reference, candidate)]),
    ):
        if sides[0] != sides[1]:
            raise InputError(
                f"the {what}: {', '.join(sides[0]) or 'none'} in {reference.name}, "
                f"{', '.join(sides[1]) or 'none'} in {candidate.name}",
                hint="programs can be compared when they are called alike",
            )
    shapes = [[(t.shape, t.dtype) for t in p.outputs] for p in (reference, candidate)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"the outputs of {reference.name} are {', '.join(map(_shown, shapes[0]))}, those of "
            f"{candidate.name} {', '.join(map(_shown, shapes[1]))}",
            hint="programs can be compared when their outputs have the same shapes, in order",
        )


def _passed(program: Program) -> list[str]:
    """The inputs that a caller passes by position; weights are bound by name."""
    return [t.name for t in program.inputs if t.name not in program.weights]


def _shown(kind: tuple[tuple[int, ...], str] | None) -> str:
    return "x".join([*map(str, kind[0]), kind[1]]) if kind else "missing"


def _verdict(
    session: Session,
    outputs: list[tuple[str, FlatScope, FlatScope]],
    *,
    real_functions: bool = False,
) -> Verdict:
    for name, ours, theirs in outputs:
        try:
            result = session.compare(name, ours, theirs)
        except UndecidedError as reason:
            return Undecided(f"{name}: {reason}")
        if isinstance(result, Mismatch):
            different = _refuted(session, name, ours, theirs, result)
            if real_functions and isinstance(different, Different):
                return _confirmed(session, ours, theirs, different, result)
            return different
        session.segments.append(result)
    return Equal(_certificate(session))


def _certificate(session: Session) -> Certificate:
    """What the session has compared; nothing, where both programs are the very same one."""
    randoms = session.randoms
    segments = tuple(session.segments)
    return Certificate(segments, randoms.seed, randoms.fields.primes, session.comparisons)


def _refuted(
    session: Session, name: str, ours: FlatScope, theirs: FlatScope, found: Mismatch
) -> Different | Undecided:
    """Symbols of calls may be related in ways that were not proved: then only values of the
    functions themselves, read as random ones, refute."""
    position, values = found.position, found.values
    if session.depends_on_functions(ours) or session.depends_on_functions(theirs):
        why = "; ".join([f"{name} was not shown equal", *session.unmatched])
        try:
            example = _counterexample(session, ours, theirs, found)
        except UndecidedError as reason:
            return Undecided(f"{why}; {reason}")
        if example is None:
            return Undecided(f"{why}; the programs agree at all positions that were tried")
        position, values = example
    notes = tuple(session.unmatched)
    return Different(name, position, values, found.boxes, found.cells, session.randoms.seed, notes)


def _confirmed(
    session: Session, ours: FlatScope, theirs: FlatScope, different: Different, found: Mismatch
) -> Different | Undecided:
    """The difference, if functions take part with values that they really have."""
    if not (session.depends_on_functions(ours) or session.depends_on_functions(theirs)):
        return different
    why = f"{different.output} was not shown equal"
    try:
        for tried in _tried(session, theirs, different.position, found):
            example = real_difference(session, ours, theirs, tried)
            if example is not None:
                return replace(different, position=example[0], values=example[1])
    except UndecidedError as reason:
        return Undecided(f"{why}; {reason}")
    names = [session.symbols[n].function for n in session.symbols if n in _one_sided(ours, theirs)]
    found_in = names or (s.function for s in session.symbols.values())
    functions = ", ".join(sorted(set(found_in) - {IDENTITY}))
    return Undecided(
        f"{why}, but in double precision it is the same at all positions that were tried: whether "
        f"it is rests on a property of {functions}"
    )


def _one_sided(ours: FlatScope, theirs: FlatScope) -> frozenset[str]:
    """The symbols that one of the scopes reads and the other does not."""
    return ours.tensors ^ theirs.tensors


def _tried(
    session: Session, theirs: FlatScope, first: tuple[int, ...], found: Mismatch
) -> Iterator[list[tuple[int, ...]]]:
    """Positions at which the scopes may differ, the likeliest first."""
    yield [first]
    yield witnesses(theirs, session.symbols)
    yield _samples(found.boxes, session.randoms.seed)


def _counterexample(
    session: Session, ours: FlatScope, theirs: FlatScope, found: Mismatch
) -> tuple[tuple[int, ...], tuple[int, int]] | None:
    """A position at which the values differ with the functions read as random ones."""
    for tried in _tried(session, theirs, found.position, found):
        rows = np.array(tried, np.int64).reshape(len(tried), len(ours.axes))
        left, right = session.interpreted(ours, rows), session.interpreted(theirs, rows)
        for round_, n in np.argwhere(left != right):
            return tried[n], (int(left[round_, n]), int(right[round_, n]))
    return None


def _samples(boxes: tuple[Box, ...], seed: int) -> list[tuple[int, ...]]:
    """Corners of some boxes and random positions in them."""
    generator = np.random.default_rng(seed)
    tried: list[tuple[int, ...]] = []
    for box in boxes[:_SAMPLED_BOXES]:
        counts = [len(range(*s)) for s in box]
        chosen = [generator.integers(0, counts, len(box)) for _ in range(_SAMPLES_EACH)]
        corners = islice(product(*({0: None, c - 1: None} for c in counts)), _CORNERS)
        tried.extend(
            tuple(int(s.start + s.step * p) for s, p in zip(box, places, strict=True))
            for places in (*corners, *chosen)
        )
    return tried
