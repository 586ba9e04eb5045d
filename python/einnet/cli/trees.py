"""The trees of states of a search as text, cut to the lines that matter most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from einnet.operators.contraction import describe
from einnet.rules.rewrite import Step
from einnet.search.record import MATCHED, REPAIRED, Node, Tree

_WIDTH = 100


@dataclass(frozen=True)
class _Line:
    """`importance` is smaller for what is to be shown first, and never larger than below it."""

    importance: tuple[float, ...]
    depth: int
    left: str
    right: str


def format_trees(trees: Sequence[Tree], limit: int) -> list[str]:
    """The trees in at most `limit` lines (0: all), titles not counted.

    What leads to a result comes first, then other states in the order of their visits, with what
    was dropped there. Each title says how many lines of its tree are left out.
    """
    lines = [list(_lines(t.root, 1)) if t.root.children or t.root.found else [] for t in trees]
    ranked = sorted(
        (line.importance, number, place)
        for number, tree_lines in enumerate(lines)
        for place, line in enumerate(tree_lines)
    )
    shown = {(number, place) for _, number, place in ranked[: limit or None]}
    text: list[str] = []
    for number, (tree, tree_lines) in enumerate(zip(trees, lines, strict=True)):
        kept = [line for place, line in enumerate(tree_lines) if (number, place) in shown]
        text.append(_title(tree, len(tree_lines) - len(kept)))
        width = min(_WIDTH - 40, max((2 * k.depth + len(k.left) for k in kept), default=0))
        text += [f"{'  ' * k.depth + k.left:<{width}}  {k.right}".rstrip() for k in kept]
    return text


def _title(tree: Tree, left_out: int) -> str:
    visited = sum(bool(node.order) for node in _walk(tree.root))
    notes = [_count(visited, "state") + " visited"] if visited > 1 else []
    if not tree.root.children and tree.root.reason is not None:
        repaired = tree.root.reason == REPAIRED
        notes.append("nothing to repair" if repaired else str(tree.root.reason))
    if left_out:
        notes.append(_count(left_out, "line") + " left out")
    return f"{tree.title}: {', '.join(notes)}" if notes else tree.title


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _lines(node: Node, depth: int) -> Iterator[_Line]:
    """A line for each state that was visited, and one for all moves dropped for one reason."""
    yield _Line(_importance(node), depth, format_move(node.move) or "start", _verdict(node))
    dropped: dict[str, list[Node]] = {}
    for child in node.children:
        if _leads_on(child):
            yield from _lines(child, depth + 1)
        else:
            dropped.setdefault(str(child.reason), []).append(child)
    for reason, nodes in dropped.items():
        moves = _shortened([format_move(n.move) for n in nodes], _WIDTH - 2 * depth - len(reason))
        yield _Line((1, node.order), depth + 1, f"- {reason}: {moves}", "")


def _leads_on(node: Node) -> bool:
    return bool(node.order or node.children or node.found) or node.reason is None


def _importance(node: Node) -> tuple[float, ...]:
    below = list(_walk(node))
    if any(n.found or n.reason in (REPAIRED, MATCHED) for n in below):
        return 0, min((f.cost for n in below for f in n.found), default=inf), node.order
    return 1, node.order


def _verdict(node: Node) -> str:
    parts = [] if node.distance is None else [f"distance {node.distance:g}"]
    if node.found:
        best = min(node.found, key=lambda f: f.cost)
        parts.append(f"matched: {describe(best.match)}, {format_seconds(best.cost)}")
    elif node.reason is not None:
        parts.append(str(node.reason))
    elif not node.order:
        parts.append("kept")
    return ", ".join(parts)


def _shortened(texts: list[str], width: int) -> str:
    """As many of the texts as fit, at least one, and how many more there are."""
    shown = texts[:1]
    for text in texts[1:]:
        if len("; ".join([*shown, text])) > width:
            break
        shown.append(text)
    more = len(texts) - len(shown)
    return "; ".join(shown) + (f"; {more} more" if more else "")


def format_move(move: tuple[Step, ...]) -> str:
    """`split(h, 2), split(r, 2)`."""
    return ", ".join(map(format_step, move))


def format_step(step: Step) -> str:
    """`rule(values)`; the names of parameters are left out."""
    values = ("+".join(v) if isinstance(v, tuple) else str(v) for _, v in step.parameters)
    return f"{step.rule}({', '.join(values)})"


def format_seconds(seconds: float) -> str:
    """An estimate: `3.58 us`, `4.89 ms`."""
    return f"{seconds * 1e6:.3g} us" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"
