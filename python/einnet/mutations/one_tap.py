"""Windows of one tap, which have no sum, given one: `X[h] * W[f,0] = S_{u:1} X[h+u] * W[f,u]`.

So a 1x1 convolution has the iterators of a 3x3 one: its weights can be padded to three taps, and in
a chain its images stand side by side where those of the 3x3 one do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from einnet.expr.index import Index, constant, var
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, box_of, fresh_name
from einnet.expr.program import Definition
from einnet.mutations.mutant import require
from einnet.rules.rewrite import NotApplicable


def weights_of(definitions: Sequence[Definition]) -> int:
    """The operand of products that may be padded: the one whose every index is one iterator, or 0
    in a dimension of one element, as a kernel of one tap is read.

    Raises NotApplicable if there is none, or for what is no product of two tensors.
    """
    require(len(definitions) > 1, "there is nothing to merge with")
    for definition in definitions:
        scope = definition.scope
        product = len(scope.body) == 1 and len(scope.term.factors) == 2 == len(scope.term.reads)
        require(product, f"{definition.result.name} is no product of two tensors")
        tensors = all(isinstance(r.source, Tensor) for r in scope.term.reads)
        require(tensors and not scope.term.guards, "a layout or a guard is in the way")
    for which in (1, 0):
        if all(_is_plain(d.scope.term.reads[which]) for d in definitions):
            return which
    raise NotApplicable("no operand is indexed by single iterators")


def _is_plain(read: Read) -> bool:
    extents = (r.extent for r in box_of(read.source))
    pairs = zip(read.index, extents, strict=True)
    return all(e.name is not None or (e == constant(0) and n == 1) for e, n in pairs)


def with_taps(definitions: Sequence[Definition], weights: int) -> tuple[Definition, ...]:
    """Products of two tensors with the sums of the one that has most: one of a point where its
    weights, operand number `weights`, are read at 0 in a dimension of one element.

    Raises NotApplicable where that gives no correspondence.
    """
    most = max((d.scope for d in definitions), key=lambda s: len(s.summation))
    return tuple(
        replace(d, scope=_like(d.scope, most, weights))
        if len(d.scope.summation) < len(most.summation)
        else d
        for d in definitions
    )


def _like(scope: Scope, most: Scope, weights: int) -> Scope:
    """The scope with the sums of the other one."""
    own = list(scope.term.reads)
    ranks = [[len(r.index) for r in s.term.reads] for s in (scope, most)]
    require(ranks[0] == ranks[1], "their operands differ in rank")
    taps: dict[str, Iterator] = {}
    index = list(own[weights].index)
    extents = [r.extent for r in box_of(own[weights].source)]
    names = {i.name for i in scope.traversal + scope.summation}
    for place, other in enumerate(most.term.reads[weights].index):
        tap = next((i for i in most.summation if i.name == other.name), None)
        if tap is not None and extents[place] == 1 and index[place] == constant(0):
            unit = Iterator(fresh_name(tap.name, names), 0, 1)
            names.add(unit.name)
            taps[tap.name] = unit
            index[place] = var(unit.name)
    missing = len(most.summation) - len(scope.summation)
    require(len(taps) == missing, "their sums do not correspond")
    own[weights] = Read(own[weights].source, tuple(index))
    image = 1 - weights
    moved = (
        e + _steps(other, taps)
        for e, other in zip(own[image].index, most.term.reads[image].index, strict=True)
    )
    own[image] = Read(own[image].source, tuple(moved))
    rest = iter(scope.summation)
    summation = tuple(taps.get(i.name) or next(rest) for i in most.summation)
    body = (replace(scope.term, factors=tuple(own)),)
    return replace(scope, summation=summation, body=body)


def _steps(index: Index, taps: dict[str, Iterator]) -> Index:
    """What the sums of one point add to an index as they do to that of the other product."""
    moves = (var(unit.name) * index.coefficient(name) for name, unit in taps.items())
    return sum(moves, constant(0))
