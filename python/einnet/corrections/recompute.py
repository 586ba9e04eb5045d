"""The original expression restricted to boxes, and a tensor put together from parts.

Formula: for boxes B_k and the mutant's result M,
`Y[x] = M[x] * [x in no B_k] + sum_k C_k[(x - start_k) div step_k] * [x in B_k and no earlier one]`,
`C_k[z] = f(start_k + step_k*z)`, where f is the original expression.

The guards exclude each other, so that no value is computed from one that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from einnet.corrections.boxes import Rectangle, cover, owners, rectangles
from einnet.expr.index import Index, Ranges, floordiv, mod, var
from einnet.expr.nodes import Guard, Iterator, Read, Scope, Tensor, Term, Within, fresh_name
from einnet.expr.program import (
    Definition,
    Program,
    Statement,
    results_of,
    without_dead,
)
from einnet.expr.transform import inline_reads, is_movement, residue, substitute_body
from einnet.verify.equivalence import Different, Equal, Undecided, compare
from einnet.verify.regions import Box, Slice

Library = Callable[[Definition, set[str]], tuple[Statement, ...]]
"""A definition as a library computes it; new names are not in the set, and are added to it."""

Seconds = Callable[[Sequence[Statement]], float]
"""The estimated time of statements."""


CORRECTION = "correction of "
"""How the label of a definition starts that belongs to a correction; the rest is the label of what
the mutant was made from. It is `einnet.bridge.attributes.CORRECTION_OF`, by which operations are
tagged."""


@dataclass(frozen=True)
class Failing:
    """Where a mutant is not shown equal: boxes for each result that differs anywhere, by name, and
    how many cells they come from."""

    boxes: Mapping[str, tuple[Box, ...]]
    cells: int


def failing(
    originals: Sequence[Definition], mutant: Sequence[Statement], *, seed: int = 0
) -> Failing | Undecided:
    """Compare each result of the originals with the mutant's tensor of the same name."""
    boxes: dict[str, tuple[Box, ...]] = {}
    cells = 0
    for definition in originals:
        reference = program_of(originals, definition.result)
        candidate = replace(reference, statements=tuple(mutant))
        verdict = compare(without_dead(reference), without_dead(candidate), seed=seed)
        if isinstance(verdict, Undecided):
            return verdict
        if isinstance(verdict, Different):
            boxes[definition.result.name] = verdict.boxes
            cells += verdict.cells
        else:
            assert isinstance(verdict, Equal)
    return Failing(boxes, cells)


def program_of(definitions: Sequence[Statement], *outputs: Tensor) -> Program:
    """The definitions as a program of what they read and do not define."""
    defined = {t.name for d in definitions for t in results_of(d)}
    read = {t.name: t for d in definitions for t in d.operands if t.name not in defined}
    return Program("part", tuple(read.values()), tuple(definitions), outputs)


def chosen_boxes(
    originals: Sequence[Definition],
    found: Failing,
    library: Library,
    seconds: Seconds,
    taken: set[str],
) -> dict[str, tuple[Box, ...]]:
    """For each failing result the boxes to compute again: at least what fails, boxes merged where
    that is estimated to cost no more."""

    def cheapest(original: Definition) -> tuple[Box, ...]:
        def price(box: Box) -> float:
            again = restricted(original, box, original.result)
            return seconds(library(again, {*taken, original.result.name}))

        return cover(found.boxes[original.result.name], original.result.shape, price)

    return {d.result.name: cheapest(d) for d in originals if d.result.name in found.boxes}


def correct(
    originals: Sequence[Definition],
    mutant: Sequence[Statement],
    boxes: Mapping[str, Sequence[Box]],
    library: Library,
    taken: set[str],
) -> tuple[Statement, ...]:
    """The mutant with the boxes of each result computed by the original expression.

    New names are not in `taken`, and are added to it.
    """
    statements = list(mutant)
    for original in originals:
        chosen = boxes.get(original.result.name, ())
        if chosen:
            place = next(n for n, s in enumerate(statements) if original.result in results_of(s))
            main = statements[place]
            assert isinstance(main, Definition)
            statements[place : place + 1] = _corrected(original, main, chosen, library, taken)
    return tuple(statements)


def _corrected(
    original: Definition,
    main: Definition,
    boxes: Sequence[Box],
    library: Library,
    taken: set[str],
) -> tuple[Statement, ...]:
    """The mutant's last definition and the corrections, put together as the original's result."""
    statements: list[Statement] = []
    parts: list[tuple[Box, Tensor]] = []
    for box in boxes:
        result = _named(original.result, f"{original.result.name}_correction", taken)
        again = restricted(original, box, result)
        statements += [_marked(s, again.label) for s in library(again, taken)]
        parts.append((box, again.result))
    if is_movement(main.scope):
        source: Tensor | Scope = main.scope
    else:
        source = _named(original.result, f"{original.result.name}_mutant", taken)
        statements.insert(0, replace(main, result=source))
    label = CORRECTION + original.label
    return (*statements, Definition(original.result, assembled(source, parts), label))


def _marked(statement: Statement, label: str) -> Statement:
    """The statement with a label that says that it belongs to a correction."""
    return replace(statement, label=label) if isinstance(statement, Definition) else statement


def restricted(original: Definition, box: Box, result: Tensor) -> Definition:
    """The original expression on a box of its result, as a definition of its own; the result has
    the name of `result` and the shape of the box."""
    scope = original.scope
    traversal = tuple(
        Iterator(i.name, 0, len(range(*s))) for i, s in zip(scope.traversal, box, strict=True)
    )
    values = {
        i.name: var(i.name) * (s.step if len(range(*s)) > 1 else 1) + s.start
        for i, s in zip(scope.traversal, box, strict=True)
    }
    part = Scope(traversal, scope.summation, ())
    part = replace(part, body=substitute_body(scope.body, values, part.ranges))
    tensor = replace(result, shape=part.extents)
    return Definition(tensor, part, CORRECTION + original.label)


def assembled(main: Tensor | Scope, parts: Sequence[tuple[Box, Tensor]]) -> Scope:
    """The tensor or scope `main` with each part in its box; earlier parts win where boxes overlap.

    A part is read at `(x - start) div step`.
    """
    shape = main.shape if isinstance(main, Tensor) else main.extents
    traversal = tuple(Iterator(f"d{n}", 0, extent) for n, extent in enumerate(shape))
    ranges = {i.name: i.range for i in traversal}
    here = tuple(var(i.name) for i in traversal)
    owner, classes = owners([box for box, _ in parts], shape)
    terms: list[Term] = []
    for which in range(-1, len(parts)):
        source, index = main, here
        if which >= 0:
            box, source = parts[which]
            index = tuple(_within(e, s, ranges) for e, s in zip(here, box, strict=True))
        terms += [
            Term((Read(source, index),), guards_of(rectangle, traversal))
            for rectangle in rectangles(owner, classes, which)
        ]
    return inline_reads(Scope(traversal, (), tuple(terms)))


def guards_of(rectangle: Rectangle, traversal: Sequence[Iterator]) -> tuple[Guard, ...]:
    """That the iterators, whose ranges are from 0, are in the rectangle."""
    guards: list[Guard] = []
    for band, iterator in zip(rectangle, traversal, strict=True):
        x = var(iterator.name)
        if band.start > 0 or band.stop < iterator.hi:
            guards.append(Within(x, band.start, band.stop))
        if band.width == 1 < band.period:
            guards.append(residue(x - band.start, band.period))
        elif band.width < band.period:
            place = mod(x - band.start, band.period, {iterator.name: iterator.range})
            guards.append(Within(place, 0, band.width))
    return tuple(guards)


def _within(e: Index, slice_: Slice, ranges: Ranges) -> Index:
    """Where in a slice a coordinate is."""
    step = slice_.step if len(range(*slice_)) > 1 else 1
    return floordiv(e - slice_.start, step, ranges)


def _named(like: Tensor, base: str, taken: set[str]) -> Tensor:
    name = fresh_name(base, taken)
    taken.add(name)
    return replace(like, name=name)
