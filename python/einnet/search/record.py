"""Watching a search without taking part in it: what was visited, what was dropped, and why.

A search tells its recorder at a few points; the recorder that a search has by default does nothing.
`Trees` keeps everything, as trees of states that can be printed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from einnet.expr.nodes import Read, Scope
from einnet.rules.rewrite import Step

if TYPE_CHECKING:
    from einnet.search.converge import Found
    from einnet.search.state import State


@dataclass(frozen=True)
class Reason:
    """Why a search goes on or not with a state. `kind` is one of a few, `detail` says more."""

    kind: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


ZERO = Reason("the expression is 0")
DUPLICATE = Reason("duplicate")
STEPS = Reason("limit of steps")
SAME_SIZES = Reason("same sizes as a state kept before")
BUDGET = Reason("budget of visits")
ENOUGH = Reason("enough found before")
BEAM = Reason("beam")
DISTANT = Reason("distance is not 0")
NO_ROWS = Reason("the target's rows are missing")


def refused(detail: str) -> Reason:
    """The rule of a step says that it does not apply."""
    return Reason("refused", detail)


class Recorder(Protocol):
    """What a search tells. States are told apart by their steps."""

    def begin(
        self, origin: State, distance: float, operands: tuple[Read, Read], names: Collection[str]
    ) -> None:
        """A search from `origin` starts, with the operands in this order; with `names`, for the
        component of these iterators alone."""
        ...

    def shared(self, names: Collection[str], like: Collection[str]) -> None:
        """The component of these iterators differs from an earlier one in its names alone."""
        ...

    def generated(self, parent: State, child: State, distance: float) -> None:
        """A state is new and may be visited."""
        ...

    def dropped(self, parent: State, move: tuple[Step, ...], reason: Reason) -> None:
        """A move from a visited state leads nowhere."""
        ...

    def visited(self, state: State) -> None:
        """A state is the next to be looked at."""
        ...

    def kept(self, state: State) -> None:
        """A visited state is a result of this search, to be combined with others."""
        ...

    def closed(self, state: State, reason: Reason) -> None:
        """A visited state gets no moves."""
        ...

    def end(self, reason: Reason | None) -> None:
        """The search ends; states that were not visited are dropped for this reason."""
        ...

    def combine(self) -> None:
        """The combinations of the components' results follow."""
        ...

    def combined(self, steps: tuple[Step, ...], reason: Reason | None) -> None:
        """A combination of the first few components' results is kept, or dropped for a reason."""
        ...

    def found(self, found: Found) -> None:
        """A visited state or a combination matches the target."""
        ...


class Silence:
    """A recorder that keeps nothing."""

    def begin(
        self, origin: State, distance: float, operands: tuple[Read, Read], names: Collection[str]
    ) -> None:
        pass

    def shared(self, names: Collection[str], like: Collection[str]) -> None:
        pass

    def generated(self, parent: State, child: State, distance: float) -> None:
        pass

    def dropped(self, parent: State, move: tuple[Step, ...], reason: Reason) -> None:
        pass

    def visited(self, state: State) -> None:
        pass

    def kept(self, state: State) -> None:
        pass

    def closed(self, state: State, reason: Reason) -> None:
        pass

    def end(self, reason: Reason | None) -> None:
        pass

    def combine(self) -> None:
        pass

    def combined(self, steps: tuple[Step, ...], reason: Reason | None) -> None:
        pass

    def found(self, found: Found) -> None:
        pass


SILENCE = Silence()


@dataclass
class Node:
    """A state of a search: the move that led to it, its distance where one was measured, when it
    was visited (0 for never), what it was kept for and why it was dropped; refused and repeated
    moves are nodes too, without children."""

    move: tuple[Step, ...]
    distance: float | None = None
    order: int = 0
    kept: bool = False
    reason: Reason | None = None
    found: list[Found] = field(default_factory=list["Found"])
    children: list[Node] = field(default_factory=list["Node"])

    def walk(self, depth: int = 0) -> list[tuple[int, Node]]:
        """This node and all under it, each with its depth, parents first."""
        nodes = [(depth, self)]
        for child in self.children:
            nodes += child.walk(depth + 1)
        return nodes


@dataclass
class Tree:
    """One search: for what, and its states. `scope` is the expression of the root."""

    title: str
    root: Node
    scope: Scope | None = None


@dataclass
class Trees:
    """A recorder that keeps every state, in one tree for each search within the search."""

    trees: list[Tree] = field(default_factory=list[Tree])
    notes: list[str] = field(default_factory=list[str])
    _nodes: dict[tuple[Step, ...], Node] = field(default_factory=dict[tuple[Step, ...], Node])
    _visits: int = 0

    def begin(
        self, origin: State, distance: float, operands: tuple[Read, Read], names: Collection[str]
    ) -> None:
        sources = [r.source for r in operands]
        order = " * ".join("{}" if isinstance(s, Scope) else s.name for s in sources)
        what = f"component {', '.join(sorted(names))}" if names else "whole expression"
        root = Node((), distance)
        self.trees.append(Tree(f"{what}, operands {order}", root, origin.scope))
        self._nodes = {origin.steps: root}

    def shared(self, names: Collection[str], like: Collection[str]) -> None:
        title = f"component {', '.join(names)}: as {', '.join(like)}"
        self.trees.append(Tree(title, Node(())))

    def generated(self, parent: State, child: State, distance: float) -> None:
        node = Node(child.steps[len(parent.steps) :], distance)
        self._nodes[parent.steps].children.append(node)
        self._nodes[child.steps] = node

    def dropped(self, parent: State, move: tuple[Step, ...], reason: Reason) -> None:
        self._nodes[parent.steps].children.append(Node(move, reason=reason))

    def visited(self, state: State) -> None:
        self._visits += 1
        self._nodes[state.steps].order = self._visits

    def kept(self, state: State) -> None:
        self._nodes[state.steps].kept = True

    def closed(self, state: State, reason: Reason) -> None:
        self._nodes[state.steps].reason = reason

    def end(self, reason: Reason | None) -> None:
        for node in self._nodes.values():
            if not node.order and node.reason is None:
                node.reason = reason

    def combine(self) -> None:
        root = Node(())
        self.trees.append(Tree("combinations", root))
        self._nodes = {(): root}

    def combined(self, steps: tuple[Step, ...], reason: Reason | None) -> None:
        raise NotImplementedError

    def found(self, found: Found) -> None:
        self._nodes[found.state.steps].found.append(found)
