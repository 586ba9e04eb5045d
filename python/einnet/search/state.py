"""States of the search: an expression in normal form and the steps that led to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from einnet.errors import InputError
from einnet.expr.canonical import canonical
from einnet.expr.nodes import Scope
from einnet.expr.text import parse_index
from einnet.rules import summation_splitting, variable_substitution
from einnet.rules.rewrite import NotApplicable, Parameter, Step
from einnet.search.normalise import core_of, normalise, two_level, with_core
from einnet.search.record import ZERO, Reason, refused


@dataclass(frozen=True)
class State:
    """`scope` is equal to the start expression, by `steps`, each applied to the core."""

    scope: Scope
    steps: tuple[Step, ...] = ()

    @cached_property
    def core(self) -> Scope:
        return core_of(self.scope)

    @cached_property
    def key(self) -> Scope:
        """The canonical form: equal keys are the same state."""
        return _key(self.scope)


@lru_cache(maxsize=1 << 12)
def _key(scope: Scope) -> Scope:
    return canonical(scope)


def start(scope: Scope) -> State | None:
    """The state of a definition's expression; None if the expression is 0."""
    normal = normalise(two_level(scope))
    return None if normal is None else State(normal)


def attempt(state: State, step: Step) -> State | Reason:
    """Apply one step to the core and normalise, or say why it leads nowhere: the rule refuses, or
    nothing is left."""
    outcome = _applied(state.scope, step)
    return outcome if isinstance(outcome, Reason) else State(outcome, (*state.steps, step))


@lru_cache(maxsize=1 << 12)
def _applied(scope: Scope, step: Step) -> Scope | Reason:
    """What `attempt` does to the expression; remembered, since the searches for several targets
    of one operator go the same ways."""
    try:
        rewritten = rewrite(core_of(scope), step)
    except NotApplicable as refusal:
        return refused(str(refusal))
    normal = normalise(with_core(scope, rewritten))
    return ZERO if normal is None else normal


def attempt_all(state: State, steps: Iterable[Step]) -> State | Reason:
    """Apply steps in order, up to the first that leads nowhere."""
    for step in steps:
        outcome = attempt(state, step)
        if isinstance(outcome, Reason):
            return outcome
        state = outcome
    return state


def apply(state: State, step: Step) -> State | None:
    """Apply one step; None if it leads nowhere."""
    outcome = attempt(state, step)
    return outcome if isinstance(outcome, State) else None


def rewrite(core: Scope, step: Step) -> Scope:
    """The core after one step, not normalised. Raises NotApplicable if the rule refuses."""
    return _RULES[step.rule](core, dict(step.parameters))


def replay(scope: Scope, steps: tuple[Step, ...]) -> State | None:
    """Apply a recorded derivation; None if a step does not apply."""
    state = start(scope)
    for step in steps:
        if state is None:
            return None
        state = apply(state, step)
    return state


Arguments = dict[str, Parameter]


def _split_summation(core: Scope, arguments: Arguments) -> Scope:
    outer = arguments["outer"]
    assert isinstance(outer, tuple)
    return summation_splitting.split_summation(core, outer, hoist=False)


def _skew(core: Scope, arguments: Arguments) -> Scope:
    name, index = arguments["iterator"], arguments["index"]
    assert isinstance(name, str) and isinstance(index, str)
    try:
        parsed = parse_index(index, core.ranges)
    except InputError as error:
        # Normalisation may have taken an iterator that the index names.
        raise NotApplicable(error.message) from error
    return variable_substitution.skew(core, name, parsed)


def _split(core: Scope, arguments: Arguments) -> Scope:
    name, factor = arguments["iterator"], arguments["factor"]
    assert isinstance(name, str) and isinstance(factor, int)
    return variable_substitution.split(core, name, factor)


def _reflect(core: Scope, arguments: Arguments) -> Scope:
    name = arguments["iterator"]
    assert isinstance(name, str)
    return variable_substitution.reflect(core, name)


def _shift(core: Scope, arguments: Arguments) -> Scope:
    name, offset = arguments["iterator"], arguments["offset"]
    assert isinstance(name, str) and isinstance(offset, int)
    return variable_substitution.shift(core, name, offset)


_RULES: dict[str, Callable[[Scope, Arguments], Scope]] = {
    "split-summation": _split_summation,
    "skew": _skew,
    "split": _split,
    "reflect": _reflect,
    "shift": _shift,
}


def rename_step(step: Step, names: Mapping[str, str]) -> Step:
    """The step with its iterators, and those made from them, named after others."""

    def renamed(value: Parameter) -> Parameter:
        if isinstance(value, int):
            return value
        if isinstance(value, tuple):
            return tuple(_rename(v, names) for v in value)
        return _rename(value, names)

    return replace(step, parameters=tuple((k, renamed(v)) for k, v in step.parameters))


def _rename(text: str, names: Mapping[str, str]) -> str:
    """A name or an index as text: `h.q+r` with h named w and r named s is `w.q+s`."""

    def token(match: re.Match[str]) -> str:
        base, dot, history = match.group().partition(".")
        return names.get(base, base) + dot + history

    return re.sub(r"[A-Za-z_][\w.]*", token, text)


def split_summation(name: str) -> Step:
    return Step("split-summation", (("outer", (name,)),))


def skew(name: str, index: str) -> Step:
    return Step("skew", (("iterator", name), ("index", index)))


def split(name: str, factor: int) -> Step:
    return Step("split", (("iterator", name), ("factor", factor)))


def reflect(name: str) -> Step:
    return Step("reflect", (("iterator", name),))


def shift(name: str, offset: int) -> Step:
    return Step("shift", (("iterator", name), ("offset", offset)))
