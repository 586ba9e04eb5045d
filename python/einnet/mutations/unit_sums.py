"""Sums of one point, as an operation is written: a window of one tap is a window.

The natural form has none. With them images may stand side by side along a dimension in which the
kernel does not reach, in a chain in which others do.
"""

from __future__ import annotations

from dataclasses import replace

from einnet.expr.index import constant, substitute
from einnet.expr.nodes import Read, Scope


def with_unit_sums(scope: Scope, written: Scope) -> Scope:
    """The scope with sums of one point where it reads as it is written but for constants."""
    if len(written.body) != 1 or len(written.term.reads) != len(scope.term.reads):
        return scope
    names = {i.name for i in scope.summation}
    units = [i for i in written.summation if i.range == (0, 1) and i.name not in names]
    zeros = {i.name: constant(0) for i in units}
    reads: list[Read] = []
    for read, old in zip(scope.term.reads, written.term.reads, strict=True):
        without = [substitute(e, zeros, written.ranges) for e in old.index]
        if [e.terms for e in read.index] != [e.terms for e in without]:
            return scope
        index = (e + (o - w) for e, o, w in zip(read.index, old.index, without, strict=True))
        reads.append(replace(read, index=tuple(index)))
    order = [i.name for i in written.summation]
    sums = sorted((*scope.summation, *units), key=lambda i: order.index(i.name))
    body = (replace(scope.term, factors=tuple(reads)),)
    return replace(scope, summation=tuple(sums), body=body)
