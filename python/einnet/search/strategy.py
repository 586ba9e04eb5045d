"""The strategies of the search by name. Each is loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from einnet.errors import InputError
from einnet.operators.target import Target
from einnet.search.record import Recorder

if TYPE_CHECKING:
    from einnet.expr.nodes import Scope
    from einnet.search.converge import Cost, Limits, Result


class Strategy(Protocol):
    """A way to derive a target operator from the expression of a product of two reads."""

    def __call__(
        self, scope: Scope, cost: Cost, limits: Limits, target: Target, recorder: Recorder
    ) -> Result:
        """What was found, cheapest first; nothing for an expression of another form."""
        ...


def strategy(name: str) -> Strategy:
    """The strategy of this name. Raises InputError for an unknown one."""
    if name not in _STRATEGIES:
        raise InputError(f"unknown strategy '{name}'", hint=f"strategies: {', '.join(names())}")
    return _STRATEGIES[name]()


def names() -> tuple[str, ...]:
    """Every strategy."""
    return tuple(_STRATEGIES)


def _converging() -> Strategy:
    from einnet.search.converge import search

    return search


def _explorative() -> Strategy:
    from einnet.search.explore import search

    return search


def _blind() -> Strategy:
    from einnet.search.blind import Budget, search_blindly

    def search(
        scope: Scope, cost: Cost, limits: Limits, target: Target, recorder: Recorder
    ) -> Result:
        """Breadth first up to the first match; only the limit of visits in all holds."""
        budget = Budget(visits=limits.total, seconds=float("inf"))
        return search_blindly(scope, cost, budget, target, recorder)

    return search


_STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "converging": _converging,
    "explorative": _explorative,
    "blind": _blind,
}
