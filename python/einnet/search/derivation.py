"""A derivation as data: recorded on one expression, kept as JSON, replayed on others.

A derivation is its steps. Iterators are named by path (`h.q.s`: h, split, its quotient, skewed), so
a step means the same in every expression whose iterators have the names of the first. Numbers in
steps are strides, dilations, divisors and extents of a target's windows. A number that stands in
the expression itself is recorded as a *formula* `{place=value}`: its place there, and the value
that it had. Where coefficients hold sizes, as those of a collapsed dimension do, the step so takes
the size from the expression that it is replayed on; where the place is gone, because an index was
simplified away, the value stands.

On other sizes an iterator may have one value only. The steps on it then have nothing to do and are
left out; an iterator that would have absorbed such a one is renamed, so that later steps find it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Iterator as Iterable_
from dataclasses import dataclass, replace

from einnet.errors import InputError
from einnet.expr.index import Index, Range, constant, floordiv, iterators_of, mod, substitute, var
from einnet.expr.nodes import Read, Residue, Scope
from einnet.expr.text import parse_index
from einnet.operators.contraction import Match, match
from einnet.operators.target import Target
from einnet.rules.boundary_relaxing import relax
from einnet.rules.boundary_tightening import tighten
from einnet.rules.rewrite import NotApplicable, Parameter, Step
from einnet.rules.summation_splitting import split_summation
from einnet.rules.variable_substitution import find, skew, solve, substitute_iterators
from einnet.search.distance import BadPart, distance, divisions
from einnet.search.normalise import core_of, normalise, two_level, with_core
from einnet.search.state import State, rewrite

_FORMULA = re.compile(r"\{([^{}=]+)=(\d+)\}")
_FACTOR = re.compile(r"(?<![\w.])\d+(?=\*)|(?<=div )\d+|(?<=mod )\d+")
_NAME = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Derivation:
    """Steps whose numbers may be formulas."""

    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Replayed:
    """The state that a replay led to; `notes` are the steps that were adapted or left out."""

    state: State
    notes: tuple[str, ...] = ()


def record(scope: Scope, steps: Iterable[Step]) -> Derivation:
    """The derivation by these steps of an expression, its numbers as formulas where they can be.

    A number stands for the first equal one in an index that shares an iterator with the step.
    """
    places = list(_places(scope))
    return Derivation(tuple(_generalised(step, places) for step in steps))


def instantiate(derivation: Derivation, scope: Scope) -> tuple[Step, ...]:
    """The steps with the numbers of an expression."""
    numbers = {p.name: p.value for p in _places(scope)}

    def value_of(found: re.Match[str]) -> str:
        return str(numbers.get(found[1], int(found[2])))

    def value(parameter: Parameter) -> Parameter:
        if not isinstance(parameter, str):
            return parameter
        text = _FORMULA.sub(value_of, parameter)
        return int(text) if text.isdecimal() else text

    return tuple(_map_step(step, value) for step in derivation.steps)


def to_json(derivation: Derivation) -> list[object]:
    """`[[rule, {parameter: value}], ...]`; values are numbers, texts and lists of texts."""
    return [
        [s.rule, {k: list(v) if isinstance(v, tuple) else v for k, v in s.parameters}]
        for s in derivation.steps
    ]


def from_json(data: object) -> Derivation:
    """The derivation that `to_json` wrote. Raises InputError for anything else."""
    if not isinstance(data, list):
        raise InputError(f"a derivation is a list of steps, not {data!r}")
    return Derivation(tuple(map(_step, data)))


def replay(derivation: Derivation, scope: Scope) -> Replayed | None:
    """Apply a derivation to an expression; None if the expression is 0.

    On the expression that it was recorded on this leads where `state.replay` leads. The result
    equals the expression in any case; whether it is a target is for `find_match` to say.
    """
    values: dict[str, int] = {}
    state = _normalised(two_level(scope), (), values)
    notes: list[str] = []
    for step in instantiate(derivation, scope):
        if state is None:
            return None
        try:
            rewritten = rewrite(state.core, step) if _is_whole(step, state.core) else None
        except NotApplicable:
            rewritten = None
        if rewritten is None:
            rewritten = _adapted(step, state.core, values)
            notes.append(f"{step}: {'left out' if rewritten is None else 'adapted'}")
        if rewritten is not None:
            steps = (*state.steps, step)
            state = _normalised(with_core(state.scope, rewritten), steps, values)
    return None if state is None else Replayed(state, tuple(notes))


def find_match(state: State, target: Target, *, materialise: bool = False) -> Match | None:
    """The match of a replayed state with a target.

    Where sizes are so small that tightening took points from a window of fixed extent, it is
    relaxed again. A window of which one point is left is none: the match has fewer then, and
    is a matrix product if it has none; and a row that has one point is none, though the target
    needs it. With `materialise`, parts of several iterators may be
    stored as they are.
    """
    fewer = [
        replace(target, pairs=target.pairs[:n], windows=min(n, target.windows))
        for n in range(len(target.pairs), 0, -1)
    ]
    unneeding = replace(target, needs="")
    for wanted in [*fewer, unneeding, Target(target.name, needs="k")] if fewer else [target]:
        for swapped in (False, True):
            found = _match(state.scope, wanted, swapped, materialise)
            if found is not None:
                return found
    return None


def _match(scope: Scope, target: Target, swapped: bool, materialise: bool) -> Match | None:
    relaxed = _relaxed(scope, target, swapped)
    operands = _operands(core_of(relaxed), swapped)
    measured = distance(core_of(relaxed), operands, target)
    if measured.obstacles and not materialise:
        return None
    return match(relaxed, target, operands, measured.windows)


def _operands(core: Scope, swapped: bool) -> tuple[Read, Read]:
    first, second = core.term.reads
    return (second, first) if swapped else (first, second)


def _relaxed(scope: Scope, target: Target, swapped: bool) -> Scope:
    """The two-level expression with windows that are too short enlarged to the target's extent."""
    core = core_of(scope)
    measured = distance(core, _operands(core, swapped), target)
    for obstacle in measured.obstacles:
        if not isinstance(obstacle, BadPart) or obstacle.pair is None:
            continue
        for name in sorted(obstacle.iterators):
            short, extent = find(core, name), obstacle.pair.extent
            windowed = measured.table.rows[name] == obstacle.pair.y
            if windowed and extent is not None and short.extent < extent:
                core = relax(core, name, short.lo, short.lo + extent)
    return with_core(scope, core)


def _normalised(scope: Scope, steps: tuple[Step, ...], values: dict[str, int]) -> State | None:
    """The state of a two-level expression; the only values of iterators that leave it are noted."""
    normal = normalise(scope)
    if normal is None:
        return None
    before = _innermost(scope)
    if not before.names <= core_of(normal).names:
        tightened = tighten(before)
        if tightened is not None:
            iterators = tightened.traversal + tightened.summation
            values |= {i.name: i.lo for i in iterators if i.extent == 1}
    return State(normal, steps)


def _innermost(scope: Scope) -> Scope:
    source = scope.term.reads[0].source
    return _innermost(source) if isinstance(source, Scope) else scope


def _is_whole(step: Step, core: Scope) -> bool:
    """Whether the core has every iterator that the step names."""
    return _names(step) <= core.names


def _names(step: Step) -> frozenset[str]:
    names: set[str] = set()
    for _, value in step.parameters:
        texts = value if isinstance(value, tuple) else (str(value),)
        for text in texts:
            names.update(_NAME.findall(_FORMULA.sub("1", text)))
    return frozenset(names - {"div", "mod"})


def _adapted(step: Step, core: Scope, values: dict[str, int]) -> Scope | None:
    """The core after what the step comes to where some of its iterators have one value, which
    `values` holds; None if that is nothing."""
    adapt = _ADAPTED.get(step.rule)
    try:
        return None if adapt is None else adapt(core, step.arguments, values)
    except NotApplicable:
        return None


_Arguments = Mapping[str, Parameter]


def _adapted_split(core: Scope, arguments: _Arguments, values: dict[str, int]) -> Scope | None:
    """A split whose quotient or remainder has one value renames the iterator."""
    name, factor = arguments["iterator"], arguments["factor"]
    assert isinstance(name, str) and isinstance(factor, int)
    high, low = f"{name}.q", f"{name}.r"
    if name not in core.names:
        values[high], values[low] = divmod(values.get(name, 0), factor)
        return None
    ranges = core.ranges
    phi = {high: floordiv(var(name), factor, ranges), low: mod(var(name), factor, ranges)}
    return substitute_iterators(core, phi, {name: var(high) * factor + var(low)})


def _adapted_skew(core: Scope, arguments: _Arguments, values: dict[str, int]) -> Scope | None:
    """A skew without the terms that have one value; without its own iterator it takes another."""
    name, text = arguments["iterator"], arguments["index"]
    assert isinstance(name, str) and isinstance(text, str)
    gone = frozenset(_NAME.findall(text)) - {"div", "mod"} - core.names
    units = {n: Range(values.get(n, 0), values.get(n, 0) + 1) for n in gone}
    index = parse_index(text, {**core.ranges, **units})
    index = substitute(index, {n: constant(r.lo) for n, r in units.items()}, core.ranges)
    if index.is_constant:
        values[f"{name}.s"] = index.const
        return None
    if name in core.names:
        return skew(core, name, index)
    return substitute_iterators(core, *solve(core, f"{name}.s", index))


def _adapted_reflect(core: Scope, arguments: _Arguments, values: dict[str, int]) -> Scope | None:
    """The only value of an iterator stays where it is."""
    name = arguments["iterator"]
    assert isinstance(name, str) and name not in core.names
    values[f"{name}.n"] = values.get(name, 0)
    return None


def _adapted_sum(core: Scope, arguments: _Arguments, values: dict[str, int]) -> Scope | None:  # noqa: ARG001
    """Only what is left of the outer sum moves out."""
    outer = arguments["outer"]
    assert isinstance(outer, tuple)
    left = tuple(name for name in outer if name in core.names)
    return split_summation(core, left, hoist=False) if left else None


_ADAPTED: dict[str, Callable[[Scope, _Arguments, dict[str, int]], Scope | None]] = {
    "split": _adapted_split,
    "skew": _adapted_skew,
    "reflect": _adapted_reflect,
    "split-summation": _adapted_sum,
}


@dataclass(frozen=True)
class _Place:
    """A number that stands in an expression, and the iterators of the index that it stands in."""

    name: str
    value: int
    iterators: frozenset[str]


def _places(scope: Scope) -> Iterable_[_Place]:
    """Coefficients, divisors and moduli other than 1. `X.2.h` is the coefficient of h in dimension
    2 of the first read of X, `X.2.div` the divisor there, `guard.0.mod` a modulus."""
    seen: set[str] = set()
    for term in scope.body[:1]:
        indices = [
            (f"{read.source.name}.{dimension}", index)
            for read in term.reads
            if not isinstance(read.source, Scope)
            for dimension, index in enumerate(read.index)
        ]
        for position, guard in enumerate(term.guards):
            indices.append((f"guard.{position}", guard.index))
            if isinstance(guard, Residue):
                name = f"guard.{position}.mod"
                yield _Place(name, guard.modulus, iterators_of(guard.index))
        for prefix, index in indices:
            for name, value in _numbers(index, prefix):
                if name not in seen:
                    seen.add(name)
                    yield _Place(name, value, iterators_of(index))


def _numbers(index: Index, prefix: str) -> Iterable_[tuple[str, int]]:
    for name in sorted(iterators_of(index)):
        coefficient = abs(index.coefficient(name))
        if coefficient > 1:
            yield f"{prefix}.{name}", coefficient
    for division in divisions(index):
        yield f"{prefix}.div", division.divisor
        yield from _numbers(division.operand, f"{prefix}.div")


def _generalised(step: Step, places: list[_Place]) -> Step:
    bases = {name.partition(".")[0] for name in _names(step)}
    formulas: dict[str, str] = {}
    for place in places:
        if place.iterators & bases:
            formulas.setdefault(str(place.value), f"{{{place.name}={place.value}}}")

    def formula(parameter: Parameter) -> Parameter:
        if isinstance(parameter, int):
            return formulas.get(str(parameter), parameter)
        if isinstance(parameter, str):
            return _FACTOR.sub(lambda found: formulas.get(found[0], found[0]), parameter)
        return parameter

    return _map_step(step, formula)


def _map_step(step: Step, value: Callable[[Parameter], Parameter]) -> Step:
    return replace(step, parameters=tuple((k, value(v)) for k, v in step.parameters))


def _step(entry: object) -> Step:
    if not isinstance(entry, list) or len(entry) != 2:
        raise InputError(f"a step is a rule and its parameters, not {entry!r}")
    rule, parameters = entry
    if not isinstance(rule, str) or not isinstance(parameters, dict):
        raise InputError(f"a step is a rule's name and an object of parameters, not {entry!r}")
    return Step(rule, tuple((_text(k), _parameter(v)) for k, v in parameters.items()))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"expected a name, not {value!r}")
    return value


def _parameter(value: object) -> Parameter:
    if isinstance(value, list):
        return tuple(map(_text, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return _text(value)
