"""Columns that come in whole vectors: a library operator computes a few more than it has to.

    L<n,h,w,f:21> X * W[f]   ->   L<n,h,w,f:21> {L<n,h,w,f:24> X * W[f]}[n,h,w,f]

A library's fast engines want rows of 16-byte units: of a product the columns of the second operand,
of a convolution the filters. Relaxing their boundary costs zeros in constant weights, which are
laid out in advance, and a read of part of the result, which an eOperator after it does anyway.
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd, prod

from einnet.expr.index import var
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term, fresh_name
from einnet.expr.program import Definition, Product, Statement, Windowed
from einnet.expr.transform import with_tensors


def aligned(
    statements: tuple[Statement, ...], unit: int, constants: frozenset[str], taken: set[str]
) -> tuple[Statement, ...] | None:
    """A plan of one library operator whose columns become a multiple of `unit`; None if they are
    that already, or the weights are not constant.

    New names are not in `taken`, and are added to it.
    """
    definitions = [s for s in statements if isinstance(s, Definition)]
    operator = next((d for d in definitions if d.library is not None), None)
    if operator is None or len(definitions) < len(statements):
        return None
    library = operator.library
    assert library is not None
    known = set(constants)
    for definition in definitions:
        if all(t.name in known for t in definition.operands):
            known.add(definition.result.name)
    image, kernel = operator.scope.term.reads
    source = kernel.source
    columns = _columns(operator, library, kernel, unit)
    if columns is None or not isinstance(source, Tensor) or source.name not in known:
        return None
    wider, dimension = columns
    weights = _widened(source, dimension, wider.extent, taken)
    factors = (image, Read(weights.result, kernel.index))
    body = (replace(operator.scope.term, factors=factors),)
    traversal = tuple(wider if i.name == wider.name else i for i in operator.scope.traversal)
    scope = Scope(traversal, operator.scope.summation, body)
    result = operator.result
    computed = replace(result, shape=scope.extents)
    if operator is not definitions[-1]:
        made = replace(operator, result=computed, scope=scope)
        plan = [
            made
            if d is operator
            else replace(d, scope=with_tensors(d.scope, {result.name: computed}))
            for d in definitions
        ]
    else:
        name = fresh_name(f"{result.name}_aligned", taken)
        taken.add(name)
        computed = replace(computed, name=name)
        made = replace(operator, result=computed, scope=scope)
        part = Read(computed, tuple(var(i.name) for i in operator.scope.traversal))
        last = Definition(
            result, Scope(operator.scope.traversal, (), (Term((part,)),)), operator.label
        )
        plan = [*definitions[:-1], made, last]
    place = plan.index(made)
    return (*plan[:place], weights, *plan[place:])


def _columns(
    operator: Definition, library: Product | Windowed, kernel: Read, unit: int
) -> tuple[Iterator, int] | None:
    """The iterator of the columns with the extent that makes them a multiple of `unit` for the
    least, and its dimension in the second operand; None if there is none, or nothing to be done."""
    extents = {i.name: i.extent for i in operator.scope.traversal}
    count = prod(extents[name] for name in library.n)
    if count % unit == 0 or (isinstance(library, Windowed) and library.batch):
        return None
    found: list[tuple[int, Iterator, int]] = []
    for dimension, index in enumerate(kernel.index):
        if index.name is None or index.name not in library.n:
            continue
        rest = count // extents[index.name]
        step = unit // gcd(rest, unit)
        extent = -(-extents[index.name] // step) * step
        found.append((extent * rest, Iterator(index.name, 0, extent), dimension))
    if not found:
        return None
    _, wider, dimension = min(found, key=lambda f: f[0])
    return wider, dimension


def _widened(tensor: Tensor, dimension: int, extent: int, taken: set[str]) -> Definition:
    """The tensor with zeros behind a dimension."""
    name = fresh_name(f"{tensor.name}_aligned", taken)
    taken.add(name)
    shape = (*tensor.shape[:dimension], extent, *tensor.shape[dimension + 1 :])
    traversal = tuple(Iterator(f"i{d}", 0, n) for d, n in enumerate(shape))
    read = Read(tensor, tuple(var(i.name) for i in traversal))
    scope = Scope(traversal, (), (Term((read,)),))
    return Definition(replace(tensor, name=name, shape=shape), scope, f"layout of {tensor.name}")
