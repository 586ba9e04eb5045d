"""Parallel operators as one: weights are padded with zeros until all have one form.

Formula: `L_{f:F} S_{r:R} X[h+r-p] * W[f,r]  =  { L_{f:F'} S_{r:R'} X[h+r-p'] * W'[f,r] }[f]`
with `W'[f,r] = W[f, r-(p'-p)]`, F' >= F, p' >= p and R' >= R + p' - p: W' is 0 where W is not.
Of one form, they are merged along f, or batched as a grouped operator, by `rules/merging.py`.

Condition: definitions of products of two tensors with iterators that correspond by position, but
for windows of one tap, which have no sum (`one_tap.py`), and the same indices up to the constants
of windows; f occurs in the weights alone, which are read at single iterators, or at 0 where they
have one element.

Paper: PET, OSDI 2021, section 4: parallel convolutions to a group convolution, or to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from einnet.expr.index import Index, Var, iterators_of, var
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term, fresh_name
from einnet.expr.program import Definition
from einnet.expr.transform import rename
from einnet.mutations.mutant import require
from einnet.mutations.one_tap import weights_of, with_taps
from einnet.rules.merging import batch_parallel, merge_parallel

MERGE = "merge-padded"
BATCH = "batch-padded"


@dataclass(frozen=True)
class Together:
    """Several definitions as one: what comes before the one operator, the operator, and what takes
    the definitions' results from its result."""

    before: tuple[Definition, ...]
    definition: Definition
    after: tuple[Definition, ...]


def merge_padded(definitions: Sequence[Definition], taken: set[str]) -> Together:
    """Definitions that read one tensor as one with the weights of all, one after another.

    New names are not in `taken`, and are added to it. Raises NotApplicable where the condition
    fails.
    """
    weights = weights_of(definitions)
    uniform = _uniform(definitions, weights, taken, filters=False)
    read = uniform.definitions[0].scope.term.reads[1 - weights].source
    assert isinstance(read, Tensor)
    whole = merge_parallel(uniform.definitions, read.name, taken)
    return _together(uniform, whole)


def batch_padded(definitions: Sequence[Definition], taken: set[str]) -> Together:
    """Definitions as one with a group for each.

    New names are not in `taken`, and are added to it. Raises NotApplicable where the condition
    fails.
    """
    uniform = _uniform(definitions, weights_of(definitions), taken, filters=True)
    return _together(uniform, batch_parallel(uniform.definitions, taken))


@dataclass(frozen=True)
class _Uniform:
    """Definitions of one form, with what comes before and after them."""

    before: tuple[Definition, ...]
    definitions: tuple[Definition, ...]
    after: tuple[Definition, ...]


def _together(uniform: _Uniform, merged: tuple[Definition, ...]) -> Together:
    count = len(uniform.definitions)
    *before, whole = merged[:-count]
    return Together((*uniform.before, *before), whole, (*merged[-count:], *uniform.after))


def _uniform(
    definitions: Sequence[Definition], weights: int, taken: set[str], *, filters: bool
) -> _Uniform:
    """The definitions with one form; `filters` says that f has one extent too."""
    definitions = with_taps(definitions, weights)
    scopes = _aligned(definitions)
    first = scopes[0]
    image = 1 - weights
    low = _lowest(scopes, image)
    shifts = [_shifts(s, image, low) for s in scopes]
    free = _free(scopes, image) if filters else frozenset[str]()
    extents: dict[str, int] = {}
    for scope, shift in zip(scopes, shifts, strict=True):
        for i in scope.traversal + scope.summation:
            extents[i.name] = max(extents.get(i.name, 0), i.extent + shift.get(i.name, 0))
    before: list[Definition] = []
    uniform: list[Definition] = []
    after: list[Definition] = []
    for definition, scope, shift in zip(definitions, scopes, shifts, strict=True):
        own = {i.name: i.extent for i in scope.traversal}
        sizes = {n: e if n in free or n not in own else own[n] for n, e in extents.items()}
        traversal, summation = (
            tuple(replace(i, hi=sizes[i.name]) for i in iterators)
            for iterators in (scope.traversal, scope.summation)
        )
        read = scope.term.reads[weights]
        padded = _padded(read, sizes, shift, taken)
        source = read.source if padded is None else padded.result
        before += [] if padded is None else [padded]
        reads = [Read(source, read.index)] * 2
        reads[image] = replace(first.term.reads[image], index=low)
        reads[image] = replace(reads[image], source=scope.term.reads[image].source)
        form = Scope(traversal, summation, (replace(scope.term, factors=tuple(reads)),))
        if form.extents == scope.extents:
            uniform.append(replace(definition, scope=form))
            continue
        wider = _named(definition.result, f"{definition.result.name}_wide", form.extents, taken)
        uniform.append(replace(definition, result=wider, scope=form))
        here = tuple(var(i.name) for i in scope.traversal)
        kept = Scope(scope.traversal, (), (Term((Read(wider, here),)),))
        after.append(Definition(definition.result, kept, definition.label))
    return _Uniform(tuple(before), tuple(uniform), tuple(after))


def _aligned(definitions: Sequence[Definition]) -> list[Scope]:
    """The scopes with the first one's names for iterators at the same places."""
    names = [i.name for i in definitions[0].scope.traversal + definitions[0].scope.summation]
    kinds = {(len(d.scope.traversal), len(d.scope.summation)) for d in definitions}
    require(len(kinds) == 1, "their ranks differ")
    aligned: list[Scope] = []
    for definition in definitions:
        scope = definition.scope
        require(not any(i.lo for i in scope.traversal + scope.summation), "a range is not from 0")
        own = [i.name for i in scope.traversal + scope.summation]
        apart = rename(scope, {n: f".{k}" for k, n in enumerate(own)})
        aligned.append(rename(apart, {f".{k}": n for k, n in enumerate(names)}))
    return aligned


def _lowest(scopes: Sequence[Scope], image: int) -> tuple[Index, ...]:
    """The indices of the image with the least constant of all."""
    ranks = {len(s.term.reads[image].index) for s in scopes}
    require(len(ranks) == 1, "their images differ in rank")
    columns = list(zip(*(s.term.reads[image].index for s in scopes), strict=True))
    for column in columns:
        require(len({e.terms for e in column}) == 1, "their images are read in several ways")
    return tuple(Index(min(e.const for e in column), column[0].terms) for column in columns)


def _shifts(scope: Scope, image: int, low: Sequence[Index]) -> dict[str, int]:
    """By how much each sum of a window starts later than in the common form."""
    sums = {i.name for i in scope.summation}
    found: dict[str, int] = {}
    for index, least in zip(scope.term.reads[image].index, low, strict=True):
        more = index.const - least.const
        if not more:
            continue
        taps = [
            (a.name, c) for a, c in index.terms if isinstance(a, Var) and a.name in sums and c > 0
        ]
        require(len(taps) == 1, "a window that differs has several sums")
        ((name, step),) = taps
        require(more % step == 0 and name not in found, "windows do not fall on each other")
        found[name] = more // step
    return found


def _free(scopes: Sequence[Scope], image: int) -> frozenset[str]:
    """The traversal iterators that the image's indices do not have."""
    first = scopes[0]
    used = frozenset[str]().union(*map(iterators_of, first.term.reads[image].index))
    return frozenset(i.name for i in first.traversal) - used


def _padded(
    read: Read, sizes: dict[str, int], shift: dict[str, int], taken: set[str]
) -> Definition | None:
    """The weights with zeros around them; None if they have the sizes already."""
    source = read.source
    assert isinstance(source, Tensor)
    names: list[str] = []
    for e in read.index:
        # What is read at 0 has one element.
        names.append(e.name or fresh_name("u", {*sizes, *names}))
    shape = tuple(sizes.get(n, 1) for n in names)
    if shape == source.shape and not any(shift.get(n) for n in names):
        return None
    traversal = tuple(Iterator(n, 0, extent) for n, extent in zip(names, shape, strict=True))
    index = tuple(var(n) - shift.get(n, 0) for n in names)
    scope = Scope(traversal, (), (Term((Read(source, index),)),))
    return Definition(_named(source, f"{source.name}_padded", shape, taken), scope, "padded")


def _named(like: Tensor, base: str, shape: tuple[int, ...], taken: set[str]) -> Tensor:
    name = fresh_name(base, taken)
    taken.add(name)
    return replace(like, name=name, shape=shape)
