"""Mutants: an operator over operands that are laid out anew, and where its result is read.

A mutant denotes `L_x core[index(x)]`. The core is one term of two reads; what it reads are tensors,
or layouts of them: scopes that move elements. (PET, OSDI 2021, section 4, calls a run of reshapes
and transposes one compound operator; here it is one layout, since layouts compose.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from einnet.expr.canonical import canonical
from einnet.expr.index import Index, bounds, iterators_of, substitute, var
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term, box_of
from einnet.expr.transform import inline_reads
from einnet.rules.guard_elimination import drop_implied
from einnet.rules.rewrite import NotApplicable, Step


@dataclass(frozen=True)
class Mutated:
    """What a mutation makes of a core: the new core, and where it is read for a position of the old
    one: an index over the old core's traversal iterators for each of the new one's."""

    core: Scope
    index: tuple[Index, ...]


@dataclass(frozen=True)
class Mutant:
    """`L<traversal> core[index]`, reached by `steps`."""

    traversal: tuple[Iterator, ...]
    core: Scope
    index: tuple[Index, ...]
    steps: tuple[Step, ...] = ()

    @cached_property
    def scope(self) -> Scope:
        """The mutant as one expression."""
        return Scope(self.traversal, (), (Term((Read(self.core, self.index),)),))

    @cached_property
    def key(self) -> Scope:
        """The canonical form: equal keys are the same mutant."""
        return canonical(self.scope)

    def then(self, mutated: Mutated, step: Step) -> Mutant:
        """This mutant with its core mutated."""
        names = (i.name for i in self.core.traversal)
        values = dict(zip(names, self.index, strict=True))
        ranges = {i.name: i.range for i in self.traversal}
        index = tuple(substitute(e, values, ranges) for e in mutated.index)
        return Mutant(self.traversal, mutated.core, index, (*self.steps, step))


def unmutated(scope: Scope) -> Mutant:
    """The mutant that is the expression itself."""
    return Mutant(scope.traversal, scope, tuple(var(i.name) for i in scope.traversal))


def is_core(scope: Scope) -> bool:
    """Whether mutations apply: one term of two reads of tensors or layouts, no guards, ranges from
    0."""
    if len(scope.body) != 1 or any(i.lo for i in scope.traversal + scope.summation):
        return False
    term = scope.term
    return len(term.factors) == len(term.reads) == 2 and not term.guards


def operand(core: Scope, which: int) -> Read:
    """The core's read of its first (0) or second (1) operand."""
    return core.term.reads[which]


def require(condition: bool, reason: str) -> None:
    """Raises NotApplicable with the reason unless the condition holds."""
    if not condition:
        raise NotApplicable(reason)


def bare(core: Scope, which: int, dimension: int) -> Iterator:
    """The traversal iterator that is a dimension's whole index and occurs nowhere else.

    Raises NotApplicable if the index is something else.
    """
    name = operand(core, which).index[dimension].name
    found = next((i for i in core.traversal if i.name == name), None)
    if found is None or not _occurs_once(core, found.name):
        raise NotApplicable(f"dimension {dimension} is not indexed by one iterator of its own")
    return found


@dataclass(frozen=True)
class Sliding:
    """A dimension at `stride*x + rest`: x a traversal iterator that occurs nowhere else, the rest
    from sums. `low` and `high` are the least and largest value of the rest."""

    x: Iterator
    stride: int
    rest: Index
    low: int
    high: int


def sliding(core: Scope, which: int, dimension: int) -> Sliding:
    """The dimension as a window, perhaps of one tap. Raises NotApplicable if it is none."""
    index = operand(core, which).index[dimension]
    inside = [i for i in core.traversal if i.name in iterators_of(index)]
    require(len(inside) == 1, f"dimension {dimension} is not indexed by one traversal iterator")
    (x,) = inside
    stride = index.coefficient(x.name)
    rest = index - var(x.name) * stride
    once = x.name not in iterators_of(rest) and _occurs_once(core, x.name)
    require(stride > 0 and once, f"{x.name} is used in more ways than to slide along a dimension")
    return Sliding(x, stride, rest, *bounds(rest, core.ranges))


def _occurs_once(core: Scope, name: str) -> bool:
    uses = sum(name in iterators_of(e) for read in core.term.reads for e in read.index)
    return uses == 1


def extents_of(read: Read) -> list[int]:
    """The extents of what is read, whose ranges start at 0."""
    return [r.hi for r in box_of(read.source)]


def relaid(
    core: Scope, which: int, extents: Sequence[int], places: Sequence[Index], index: Sequence[Index]
) -> Scope:
    """The core with an operand laid out anew, with dimensions of these extents.

    The element of the new layout at `d0, d1, ...` is the operand's element at `places`; the core
    reads the layout at `index`.
    """
    source = operand(core, which).source
    traversal = tuple(Iterator(f"d{n}", 0, extent) for n, extent in enumerate(extents))
    moved = inline_reads(Scope(traversal, (), (Term((Read(source, tuple(places)),)),)))
    layout = _simplest(drop_implied(moved))
    factors = list(core.term.factors)
    factors[which] = Read(layout, tuple(index))
    return replace(core, body=(replace(core.term, factors=tuple(factors)),))


def _simplest(layout: Scope) -> Scope | Tensor:
    """The tensor itself, if the layout leaves everything where it is."""
    if len(layout.body) == 1 and not layout.term.guards and len(layout.term.reads) == 1:
        (read,) = layout.term.reads
        same = read.index == tuple(var(i.name) for i in layout.traversal)
        if same and isinstance(read.source, Tensor) and read.source.shape == layout.extents:
            return read.source
    return layout


def reindexed(core: Scope) -> Mutated:
    """What a substitution of traversal iterators makes of a core, `L_x {new core}[index]`."""
    read = core.term.reads[0]
    assert isinstance(read.source, Scope)
    return Mutated(read.source, read.index)
