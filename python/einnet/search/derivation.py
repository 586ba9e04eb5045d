"""A derivation as data: recorded on one expression, kept as JSON, replayed on others.

A derivation is its steps. Iterators are named by path (`h.q.s`: h, split, its quotient, skewed), so
a step means the same in every expression whose iterators have the names of the first. Numbers in
steps are strides, dilations, divisors and extents of a target's windows. A number that stands in
the expression itself is recorded as a *formula* `{place=value}`: its place there, and the value
that it had. Where the coefficients hold sizes, as those of a collapsed dimension do, the step so
takes the size of the expression that it is replayed on; where the place is gone, because the
index was simplified away, the value stands.

On other sizes an iterator may have one value or none of its digits more than one. The steps on it
then have nothing to do, and are left out, with a note; an iterator that would have taken such a one
into itself is renamed, so that later steps still find it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from einnet.errors import InputError
from einnet.expr.index import (
    FloorDiv,
    Index,
    Range,
    bounds,
    constant,
    floordiv,
    iterators_of,
    mod,
    substitute,
    var,
)
from einnet.expr.nodes import Read, Residue, Scope, Tensor
from einnet.expr.text import parse_index
from einnet.operators.contraction import Match, match
from einnet.operators.product import PRODUCT
from einnet.operators.target import Target
from einnet.rules.boundary_relaxing import relax
from einnet.rules.boundary_tightening import tighten
from einnet.rules.rewrite import NotApplicable, Parameter, Step
from einnet.rules.variable_substitution import solve, substitute_iterators
from einnet.search import state as states
from einnet.search.distance import BadPart, distance
from einnet.search.normalise import core_of, normalise, two_level, with_core
from einnet.search.state import State

_FORMULA = re.compile(r"\{(?P<place>[^{}=]+)=(?P<value>\d+)\}")
_FACTOR = re.compile(r"(?<![\w.])\d+(?=\*)|(?<=div )\d+|(?<=mod )\d+")
_NAME = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Derivation:
    """Steps whose numbers may be formulas."""

    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Replayed:
    """The state that a replay led to; `notes` say which steps were adapted, and why."""

    state: State
    notes: tuple[str, ...] = ()


def record(scope: Scope, steps: Iterable[Step]) -> Derivation:
    """The derivation by these steps of an expression, its numbers as formulas where they can be.

    A number belongs to the first equal one in an index that shares an iterator with the step.
    """
    places = list(_places(scope))
    return Derivation(tuple(_generalised(step, places) for step in steps))


def instantiate(derivation: Derivation, scope: Scope) -> tuple[Step, ...]:
    """The steps with the numbers of an expression."""
    numbers = {p.name: p.value for p in _places(scope)}
    return tuple(
        _map_step(step, lambda text: _evaluated(text, numbers)) for step in derivation.steps
    )


def to_json(derivation: Derivation) -> list[object]:
    """`[[rule, {parameter: value}], ...]`; values are numbers, texts and lists of texts."""
    return [
        [s.rule, {k: list(v) if isinstance(v, tuple) else v for k, v in s.parameters}]
        for s in derivation.steps
    ]


def from_json(data: object) -> Derivation:
    """The derivation that `to_json` wrote. Raises InputError for anything else."""
    if not isinstance(data, list):
        raise InputError("a derivation is a list of steps", hint="write it with to_json")
    return Derivation(tuple(_step(n, entry) for n, entry in enumerate(data)))


def replay(derivation: Derivation, scope: Scope) -> Replayed | None:
    """Apply a derivation to an expression; None if the expression is 0.

    On the expression that it was recorded on this is `state.replay`. Steps that have nothing to do
    on other sizes are adapted. The result equals the expression in any case, but whether it
    matches a target is for `find_match` to say.
    """
    normal = normalise(two_level(scope))
    if normal is None:
        return None
    values: dict[str, int] = {}
    _remember(scope, values)
    state = State(normal)
    notes: list[str] = []
    for step in instantiate(derivation, scope):
        exact = states.apply(state, step) if _applies(step, state.core) else None
        if exact is not None:
            state = exact
            continue
        rewritten = _adapt(step, state.core, values)
        if rewritten is None:
            notes.append(f"{step}: nothing to do")
            continue
        notes.append(f"{step}: adapted")
        _remember(rewritten, values)
        normal = normalise(with_core(state.scope, rewritten))
        if normal is None:
            return None
        state = State(normal, (*state.steps, step))
    return Replayed(state, tuple(notes))


def find_match(state: State, target: Target) -> Match | None:
    """The match of a replayed state with a target.

    Where sizes are so small that a window lost some of its points to tightening, it is relaxed to
    the target's; where it lost all but one, a matrix product is left, and is the match.
    """
    for wanted in (target, PRODUCT) if target.windows else (target,):
        first, second = state.core.term.reads
        for operands in ((first, second), (second, first)):
            found = _match(
                _relaxed(state.scope, operands, wanted), operands == (second, first), wanted
            )
            if found is not None:
                return found
    return None
