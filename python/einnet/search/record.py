"""Listening to a search: what it generated, visited and found, and why it dropped the rest.

A search tells its recorder at a few points. The recorder that it has by default does nothing;
`Trees` keeps everything, as trees of states.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from einnet.expr.nodes import Read, Scope
from einnet.rules.rewrite import Step

if TYPE_CHECKING:
    from einnet.search.converge import Found
    from einnet.search.state import State


@dataclass(frozen=True)
class Reason:
    """What a search says of a state or a move: one of a few kinds, and more about this case."""

    kind: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


ZERO = Reason("expression is 0")
DUPLICATE = Reason("duplicate")
SHORTER = Reason("reached in fewer steps")
STEPS = Reason("limit of steps")
REPAIRED = Reason("repaired")
MATERIALISED = Reason("to be materialised")
SAME_SIZES = Reason("same sizes as one before")
MATCHED = Reason("matched")
BUDGET = Reason("budget of visits")
ENOUGH = Reason("enough found before")
BEAM = Reason("beam")
DISTANT = Reason("distance is not 0")
ROWS = Reason("not the target's rows")
WINDOWS = Reason("no dimension has two iterators, as a window has")


def refused(detail: str) -> Reason:
    """The rule of a step says that it does not apply."""
    return Reason("refused", detail)


class Recorder:
    """What a search tells; this one does nothing with it. States are told apart by their steps."""

    def begin(
        self,
        origin: State,
        distance: float | None,
        operands: tuple[Read, Read],
        names: Collection[str],
    ) -> None:
        """A search of its own starts, from this state, with the operands in this order; `names`
        are the iterators of the component that it repairs, none for the whole expression."""

    def ruled_out(self, operands: tuple[Read, Read], reason: Reason) -> None:
        """Nothing is searched with the operands in this order."""

    def shared(self, names: Collection[str], like: Collection[str]) -> None:
        """A component that differs from an earlier one in its iterators' names alone."""

    def generated(self, parent: State, child: State, distance: float | None) -> None:
        """A move from a visited state led to a new one, which waits to be visited; `distance` is
        None if it is not measured."""

    def dropped(self, parent: State, move: tuple[Step, ...], reason: Reason) -> None:
        """A move from a visited state led nowhere."""

    def visited(self, state: State) -> None:
        """The next state is looked at."""

    def judged(self, state: State, reason: Reason) -> None:
        """A state is what was wanted, or the search goes no further with it."""

    def end(self, reason: Reason) -> None:
        """The search of its own ends; states that still wait are dropped for this reason."""

    def combine(self) -> None:
        """Combinations of those kept so far with what was found for the next component follow."""

    def combined(self, steps: tuple[Step, ...], reason: Reason | None = None) -> None:
        """A combination is kept, or dropped for a reason, be it after it was kept."""

    def found(self, found: Found) -> None:
        """A visited state, or a combination, matches the target."""


SILENT = Recorder()


@dataclass
class Node:
    """A move and what became of it. `order` counts visits, 0 for a state that never was; `reason`
    says what a visited state is, or why the move was dropped."""

    move: tuple[Step, ...] = ()
    distance: float | None = None
    order: int = 0
    reason: Reason | None = None
    found: list[Found] = field(default_factory=list["Found"])
    children: list[Node] = field(default_factory=list["Node"])


@dataclass
class Tree:
    """One search of its own, or the combinations of several."""

    title: str
    root: Node


@dataclass
class Trees(Recorder):
    """Keeps every state, in one tree for each search of its own, in order."""

    trees: list[Tree] = field(default_factory=list[Tree])
    visits: int = 0
    _nodes: dict[tuple[Step, ...], Node] = field(default_factory=dict[tuple[Step, ...], Node])
    _before: dict[tuple[Step, ...], Node] | None = None
    """Combinations kept for the components before the last; None before the first."""

    def begin(
        self,
        origin: State,
        distance: float | None,
        operands: tuple[Read, Read],
        names: Collection[str],
    ) -> None:
        what = f"component {', '.join(sorted(names))}" if names else "whole expression"
        self._open(f"{what}, {_by(operands)}", Node(distance=distance), origin.steps)

    def ruled_out(self, operands: tuple[Read, Read], reason: Reason) -> None:
        self._open(_by(operands), Node(reason=reason))

    def shared(self, names: Collection[str], like: Collection[str]) -> None:
        self._open(f"component {', '.join(sorted(names))}: as {', '.join(sorted(like))}", Node())

    def generated(self, parent: State, child: State, distance: float | None) -> None:
        node = Node(child.steps[len(parent.steps) :], distance)
        self._nodes[parent.steps].children.append(node)
        self._nodes[child.steps] = node

    def dropped(self, parent: State, move: tuple[Step, ...], reason: Reason) -> None:
        self._nodes[parent.steps].children.append(Node(move, reason=reason))

    def visited(self, state: State) -> None:
        self.visits += 1
        self._nodes[state.steps].order = self.visits

    def judged(self, state: State, reason: Reason) -> None:
        self._nodes[state.steps].reason = reason

    def end(self, reason: Reason) -> None:
        for node in self._nodes.values():
            if not node.order and node.reason is None:
                node.reason = reason

    def combine(self) -> None:
        if self._before is None:
            self._open("combinations", Node())
        self._before = {s: node for s, node in self._nodes.items() if node.reason is None}
        self._nodes = {}

    def combined(self, steps: tuple[Step, ...], reason: Reason | None = None) -> None:
        assert self._before is not None
        if steps not in self._nodes:
            length = max(n for n in range(len(steps) + 1) if steps[:n] in self._before)
            parent = self._before[steps[:length]]
            if length < len(steps):
                parent.children.append(Node(steps[length:]))
                parent = parent.children[-1]
            self._nodes[steps] = parent
        self._nodes[steps].reason = reason

    def found(self, found: Found) -> None:
        self._nodes[found.state.steps].found.append(found)

    def _open(self, title: str, root: Node, steps: tuple[Step, ...] = ()) -> None:
        self.trees.append(Tree(title, root))
        self._nodes = {steps: root}
        self._before = None


def _by(operands: tuple[Read, Read]) -> str:
    first, second = (r.source for r in operands)
    return " by ".join("{}" if isinstance(s, Scope) else s.name for s in (first, second))
