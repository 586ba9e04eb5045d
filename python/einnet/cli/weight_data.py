"""Weights told apart by their data, where both files hold it: two models may give one name to two.

Everywhere else a weight is an input, any data of its type. Two files that hold other data are equal
only if no output depends on it; that they differ is shown with the data itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einnet.bridge.composition import rename_tensors
from einnet.cli.comparison import Compared, Side
from einnet.expr.nodes import Tensor
from einnet.expr.program import Program
from einnet.verify.cuts import Session
from einnet.verify.equivalence import Different, Undecided
from einnet.verify.field import Randoms, Values
from einnet.verify.flatten import UndecidedError
from einnet.verify.reals import real_difference
from einnet.verify.segment import DEFAULT_BUDGET
from einnet.weights import Weights

_AGREE = "with it they agree at all positions that were tried"
_CORNERS = 16
_MANTISSA = 53


@dataclass(frozen=True)
class Identified:
    """Two sides whose weights have the names of their data; `others` are the candidate's weights
    with data that the reference has not, by those names, and what the candidate calls them.

    `data` are all weights, by the same names.
    """

    reference: Side
    candidate: Side
    others: Mapping[str, str]
    data: Mapping[str, NDArray[Any]]


def identified(reference: Side, candidate: Side) -> Identified:
    """The sides as they are unless both hold data."""
    if not reference.data or not candidate.data:
        return Identified(reference, candidate, {}, {})
    ours, theirs = (_named_by_data(side) for side in (reference, candidate))
    known = {t.name for t in ours.program.inputs}
    called = {new: old for old, new in _names(candidate).items()}
    more = tuple(t for t in theirs.program.inputs if t.name in called and t.name not in known)
    names = frozenset(t.name for t in more)
    program = replace(
        ours.program,
        inputs=ours.program.inputs + more,
        weights=ours.program.weights | names,
    )
    return Identified(
        replace(ours, program=program, named=ours.named | names),
        theirs,
        {name: called[name] for name in sorted(names)},
        {**ours.data, **theirs.data},
    )


def _names(side: Side) -> dict[str, str]:
    """The names that weights with data get."""
    return {name: f"weight.{digest[:32]}" for name, digest in Weights(side.data).digests.items()}


def _named_by_data(side: Side) -> Side:
    """Weights with the same data become one."""
    new = _names(side)
    program = side.program
    tensors = {
        t.name: replace(t, name=new[t.name])
        for t in (*program.inputs, *program.outputs)
        if t.name in new
    }

    def renamed(tensor: Tensor) -> Tensor:
        return tensors.get(tensor.name, tensor)

    return replace(
        side,
        program=replace(
            program,
            inputs=tuple(dict.fromkeys(map(renamed, program.inputs))),
            statements=tuple(rename_tensors(s, tensors) for s in program.statements),
            outputs=tuple(map(renamed, program.outputs)),
            weights=frozenset(new.get(name, name) for name in program.weights),
        ),
        named=(side.named - new.keys()) | frozenset(new.values()),
        data={new[name]: array for name, array in side.data.items()},
    )


def confirmed(
    found: Sequence[Compared], programs: tuple[Program, Program], given: Identified, rounds: int
) -> tuple[Compared, ...]:
    """The verdicts, a difference replaced by one that the data itself shows, or by none where it
    may come from weights that were taken for any other."""
    return tuple(
        replace(c, verdict=_confirmed(c.verdict, number, programs, given, rounds))
        if isinstance(c.verdict, Different)
        else c
        for number, c in enumerate(found)
    )


def _confirmed(
    verdict: Different,
    number: int,
    programs: tuple[Program, Program],
    given: Identified,
    rounds: int,
) -> Different | Undecided:
    others = ", ".join(given.others.values())
    why = f"the data of {others} of {given.candidate.file} is not in {given.reference.file}"
    names = frozenset(t.name for p in programs for t in p.inputs)
    randoms = Randoms(verdict.seed, rounds)
    session = Session(randoms, DEFAULT_BUDGET, names, DEFAULT_BUDGET.terms)
    tried = [verdict.position]
    for box in verdict.boxes:
        ends = ({s.start, range(*s)[-1]} for s in box)
        tried += islice(product(*ends), _CORNERS)
    tried = tried[: 2 * _CORNERS]
    rows = np.array(tried, np.int64).reshape(-1, len(verdict.position))
    try:
        sides = [session.outputs(p, bool(c))[number] for c, p in enumerate(programs)]
        if any(map(session.depends_on_functions, sides)):
            example = real_difference(session, sides[0], sides[1], tried, given.data)
            if example is None:
                return Undecided(f"{why}; {_AGREE}")
            notes = (*verdict.notes, why)
            return replace(verdict, position=example[0], values=example[1], notes=notes)
        session.randoms = _Known(verdict.seed, rounds, given.data)
        left, right = (session.interpreted(side, rows) for side in sides)
    except UndecidedError as reason:
        return Undecided(f"{why}; {reason}")
    for round_, n in np.argwhere(left != right):
        values = int(left[round_, n]), int(right[round_, n])
        return replace(verdict, position=tried[n], values=values, notes=(*verdict.notes, why))
    return Undecided(f"{why}; {_AGREE}")


class _Known(Randoms):
    """Random tensors but for weights, which have their data."""

    def __init__(self, seed: int, rounds: int, data: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(seed, rounds)
        self._data = data

    def at(self, name: str, keys: NDArray[np.int64]) -> Values:
        data = self._data.get(name)
        if data is None:
            return super().at(name, keys)
        # Keys out of range belong to points that are not live.
        chosen = data.reshape(-1)[np.clip(keys, 0, data.size - 1)]
        return _residues(np.asarray(chosen, np.float64), self.fields.primes)


def _residues(values: NDArray[np.float64], primes: Sequence[int]) -> Values:
    """The exact values modulo each prime: dyadic rationals. Raises UndecidedError for others."""
    if not np.isfinite(values).all():
        raise UndecidedError("a weight is not finite")
    mantissas, exponents = np.frexp(values)
    whole = np.ldexp(mantissas, _MANTISSA).astype(np.int64)
    different, which = np.unique(exponents, return_inverse=True)
    residues: list[Values] = []
    for prime in primes:
        powers = np.array([pow(2, int(e) - _MANTISSA, prime) for e in different], np.uint64)
        scaled = (whole % prime).astype(np.uint64) * powers[which.reshape(values.shape)]
        residues.append(scaled % np.uint64(prime))
    return np.stack(residues)
