"""Corrections that the mutant's own operator computes: strips of the original's input are appended
to its input, and the outputs beside them take the place of the wrong ones.

Formula: where `Y[x] = { L_z S X'[t*z + e] * W }[index(x)]` is wrong in a box, X'' is X' with a
strip of X after it, as wide as the box and what the sum reaches, and
`Y[x] = { L_z S X''[t*z + e] * W }[x in the box ? base + x - start : index(x)]`.

Condition: X' has a dimension that one moved iterator z of the result indexes alone, a batch, or
along which it slides; the original reads X, in the strip, at what the operator reads X'' at, up to
constants; the weights are read in the same way.

Paper: PET, OSDI 2021, section 6: correction kernels are fused with the kernel whose weights they
share. One call of the library takes the place of several; outputs between strips are discarded.
"""

from __future__ import annotations

from collections.abc import Iterator as Iterable_
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from einnet.corrections.boxes import owners, rectangles
from einnet.corrections.recompute import guards_of
from einnet.expr.index import Index, bounds, constant, iterators_of, substitute, var
from einnet.expr.nodes import Guard, Iterator, Read, Scope, Tensor, Term, Within, box_of
from einnet.expr.transform import inline_reads
from einnet.verify.regions import Box, Slice

_STRIPS = 64
"""Strips that are appended at most."""


@dataclass(frozen=True)
class _Window:
    """Where a core iterator indexes the operand: its dimension there, and the least and largest
    value of the rest of that index; `stride` is its coefficient."""

    dimension: int
    stride: int
    low: int
    high: int

    @property
    def first(self) -> int:
        """The first position whose window stays inside the operand."""
        return max(0, -(self.low // self.stride))


@dataclass(frozen=True)
class _Strip:
    """A box of the result, where the core is read for it, and the operand's dimensions as indices
    over those of the new layout, in the part of it that the guard says."""

    box: Box
    index: tuple[Index, ...]
    source: tuple[Index, ...]
    guard: Guard


def shared(original: Scope, mutant: Scope, boxes: Sequence[Box]) -> Scope | None:
    """The mutant `L_x core[index]` of the original, with the boxes computed by its core too.

    None where the condition fails for every operand and iterator.
    """
    (read,) = mutant.term.reads
    core = read.source
    assert isinstance(core, Scope)
    if len(core.term.reads) != len(original.term.reads) or original.term.guards:
        return None
    for which, z in product(range(len(core.term.reads)), core.traversal):
        appending = _appending(original, core, read.index, which, z)
        found = None if appending is None else appending.run(boxes)
        if found is not None:
            return found
    return None


def _appending(
    original: Scope, core: Scope, index: Sequence[Index], which: int, z: Iterator
) -> _Appending | None:
    """What it takes to append to operand `which` along z; None where that cannot be."""
    kept = {e.name: i.name for e, i in zip(index, core.traversal, strict=True) if e.name}
    moved = [i for e, i in zip(index, core.traversal, strict=True) if not e.name]
    windows = {i.name: _window(core, which, i) for i in moved}
    if z not in moved or any(w is None for w in windows.values()):
        return None
    found = {name: w for name, w in windows.items() if w is not None}
    others = [k for n, k in enumerate(core.term.reads) if n != which]
    own = [k for n, k in enumerate(original.term.reads) if n != which]
    source = original.term.reads[which].source
    # The other operand must be read alike: the weights are shared.
    names = {old: var(new) for old, new in kept.items()}
    ranges = {**core.ranges, **original.ranges}
    same = all(
        a.source == b.source and tuple(substitute(e, names, ranges) for e in b.index) == a.index
        for a, b in zip(others, own, strict=True)
    )
    if not same or not isinstance(source, Tensor):
        return None
    return _Appending(original, core, tuple(index), which, z, found, kept)


def _window(core: Scope, which: int, iterator: Iterator) -> _Window | None:
    uses = [
        (number, d, e)
        for number, read in enumerate(core.term.reads)
        for d, e in enumerate(read.index)
        if iterator.name in iterators_of(e)
    ]
    if len(uses) != 1 or uses[0][0] != which:
        return None
    _, dimension, e = uses[0]
    stride = e.coefficient(iterator.name)
    rest = e - var(iterator.name) * stride
    names = iterators_of(rest)
    if stride < 1 or names & {i.name for i in core.traversal}:
        return None
    return _Window(dimension, stride, *bounds(rest, core.ranges))


@dataclass(frozen=True)
class _Appending:
    """Strips along the core's iterator z; `windows` are those of all iterators that a mutation
    made, `kept` the core's names for the result's iterators that it left alone."""

    original: Scope
    core: Scope
    index: tuple[Index, ...]
    which: int
    z: Iterator
    windows: Mapping[str, _Window]
    kept: Mapping[str, str]

    @property
    def read(self) -> Read:
        return self.core.term.reads[self.which]

    def run(self, boxes: Sequence[Box]) -> Scope | None:
        """The mutant with strips for the boxes."""
        if any(self.most(made, 1) < 1 for made in self.sliding):
            return None
        window = self.windows[self.z.name]
        extent = self.extents[window.dimension]
        reach = window.stride * (self.z.extent - 1) + window.high + 1
        base = self.free(max(extent, reach))
        end = self.z.extent
        strips: list[_Strip] = []
        for box in boxes:
            for part in self.parts(box):
                strip = None if len(strips) == _STRIPS else self.strip(part, base)
                if strip is None:
                    return None
                strips.append(strip)
                end = base + self.length(part)
                base = self.free(window.stride * (end - 1) + window.high + 1)
        return self.assembled(strips, end)

    def free(self, used: int) -> int:
        """The first position of z that reads nothing of the operand's elements below `used`."""
        window = self.windows[self.z.name]
        return -(-(used - window.low) // window.stride)

    @property
    def extents(self) -> list[int]:
        return [r.hi for r in box_of(self.read.source)]

    def varied(self, name: str) -> str | None:
        """The result's iterator with which a made iterator moves on by one: the one that the
        original slides along the same dimension, or that it is read at."""
        index = dict(zip((i.name for i in self.core.traversal), self.index, strict=True))[name]
        (own,) = (r for n, r in enumerate(self.original.term.reads) if n == self.which)
        sums = {i.name for i in self.original.summation}
        for candidate in sorted(iterators_of(index)):
            uses = [e for e in own.index if candidate in iterators_of(e)]
            if len(uses) == 1 and iterators_of(uses[0]) & sums:
                return candidate
        return None

    @property
    def sliding(self) -> dict[str, str]:
        """The made iterators that move within a strip, with the result's that they move with."""
        found: dict[str, str] = {}
        for name, window in self.windows.items():
            index = self.read.index[window.dimension]
            varied = self.varied(name) if index.name is None else None
            if varied is not None:
                found[name] = varied
        return found

    def parts(self, box: Box) -> Iterable_[Box]:
        """The box cut until each part is one strip: one value of every iterator that a mutation
        moved and that does not slide, and as many of the others as one tile has."""
        names = [i.name for i in self.original.traversal]
        slides = {varied: made for made, varied in self.sliding.items()}
        touched = frozenset[str]().union(
            *(
                iterators_of(e)
                for e, i in zip(self.index, self.core.traversal, strict=True)
                if i.name in self.windows
            )
        )
        choices: list[list[Slice]] = []
        for name, slice_ in zip(names, box, strict=True):
            values = range(*slice_)
            if name not in touched:
                choices.append([slice_])
            elif name not in slides:
                choices.append([Slice(v, v + 1, 1) for v in values])
            else:
                # Positions that are not next to each other are strips of their own.
                most = self.most(slides[name], len(values)) if values.step == 1 else 1
                pieces = [values[n : n + most] for n in range(0, len(values), most)]
                choices.append([Slice(p[0], p[-1] + 1, p.step) for p in pieces])
        for choice in product(*choices):
            yield tuple(choice)

    def most(self, made: str, count: int) -> int:
        """How many positions of a made iterator a strip may have: any number along z, elsewhere
        those whose windows stay inside, perhaps none."""
        if made == self.z.name:
            return count
        window = self.windows[made]
        last = (self.extents[window.dimension] - 1 - window.high) // window.stride
        last = min(last, self.core.ranges[made].hi - 1)
        return last - window.first + 1

    def length(self, part: Box) -> int:
        """Positions of z that a strip takes."""
        varied = self.sliding.get(self.z.name)
        names = [i.name for i in self.original.traversal]
        return 1 if varied is None else len(range(*part[names.index(varied)]))

    def strip(self, part: Box, base: int) -> _Strip | None:
        """The strip for a part; None where the original does not read what the core would."""
        names = [i.name for i in self.original.traversal]
        slices = dict(zip(names, part, strict=True))
        ranges = {**self.core.ranges, **self.original.ranges}
        starts = {self.z.name: base}
        for made, window in self.windows.items():
            starts.setdefault(made, window.first)
        # The result's iterators at a position of the core in the strip, and the other way round.
        values: dict[str, Index] = {old: var(new) for old, new in self.kept.items()}
        places: dict[str, Index] = {made: constant(start) for made, start in starts.items()}
        for name, slice_ in slices.items():
            if name not in values:
                values[name] = constant(slice_.start)
        for made, varied in self.sliding.items():
            start = slices[varied].start
            values[varied] = var(made) - starts[made] + start
            places[made] = var(varied) - start + starts[made]
        index = tuple(
            places.get(i.name, e) for e, i in zip(self.index, self.core.traversal, strict=True)
        )
        own = self.original.term.reads[self.which]
        targets = [substitute(e, values, ranges) for e in own.index]
        source = self.source(targets, own)
        if source is None:
            return None
        window = self.windows[self.z.name]
        first = window.stride * base + window.low
        last = window.stride * (base + self.length(part) - 1) + window.high
        guard = Within(var(f"d{window.dimension}"), first, last + 1)
        return _Strip(part, index, source, guard)

    def source(self, targets: Sequence[Index], own: Read) -> tuple[Index, ...] | None:
        """The original operand's dimensions over those of the layout: each a constant, or one of
        the layout's and a constant."""
        made = {w.dimension for w in self.windows.values()}
        found: list[Index] = []
        for target, limit in zip(targets, box_of(own.source), strict=True):
            if target.is_constant:
                found.append(target)
                continue
            for d, e in enumerate(self.read.index):
                shift = target - e
                extent = self.extents[d]
                inside = d in made or (shift.const <= 0 and extent + shift.const >= limit.hi)
                if shift.is_constant and inside:
                    found.append(var(f"d{d}") + shift.const)
                    break
            else:
                return None
        return tuple(found)

    def assembled(self, strips: Sequence[_Strip], end: int) -> Scope:
        """The whole mutant: the longer operand, the core over it, the result from its parts."""
        window = self.windows[self.z.name]
        size = max(self.extents[window.dimension], window.stride * (end - 1) + window.high + 1)
        dimensions = tuple(
            Iterator(f"d{d}", 0, size if d == window.dimension else extent)
            for d, extent in enumerate(self.extents)
        )
        here = tuple(var(i.name) for i in dimensions)
        tensor = self.original.term.reads[self.which].source
        terms = [Term((Read(self.read.source, here),))]
        terms += [Term((Read(tensor, s.source),), (s.guard,)) for s in strips]
        layout = inline_reads(Scope(dimensions, (), tuple(terms)))
        factors = list(self.core.term.factors)
        factors[self.which] = replace(self.read, source=layout)
        traversal = tuple(replace(i, hi=end) if i == self.z else i for i in self.core.traversal)
        body = (replace(self.core.term, factors=tuple(factors)),)
        core = Scope(traversal, self.core.summation, body)
        result = self.original.traversal
        owner, classes = owners([s.box for s in strips], tuple(i.extent for i in result))
        parts: list[Term] = []
        for number in range(-1, len(strips)):
            index = self.index if number < 0 else strips[number].index
            parts += [
                Term((Read(core, index),), guards_of(rectangle, result))
                for rectangle in rectangles(owner, classes, number)
            ]
        return Scope(result, (), tuple(parts))
