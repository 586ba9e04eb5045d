"""Tensor algebra expressions: scopes over sums of products of zero-extended reads and guards.

A scope `L<traversal> S<summation> body` denotes a tensor: its element at a position of the
traversal box is the sum of the body over the summation box, and 0 outside the traversal box. A
body is a sum of terms, a term a product `coefficient * factors * guards`, a factor a read of a
tensor or of a nested scope, or the call of a nonlinear scalar function. (EinNet, OSDI 2023,
section 3; guards and zero extension on every side of every axis take the place of its paddings.)

All nodes are frozen and compared by structure. Traversal iterators are ordered: position d of a
read belongs to traversal iterator d. Names are unique within a scope and its nested scopes' own
namespaces are separate: a nested scope sees only its own iterators.
"""

from __future__ import annotations

from collections.abc import Iterator as Iterable_
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from einnet.expr.index import Index, Range


@dataclass(frozen=True)
class Tensor:
    """A tensor by name. `shape` counts elements; `dtype` is an MLIR element type such as f32."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "f32"


@dataclass(frozen=True)
class Iterator:
    """A named iterator with the half-open range `lo:hi`."""

    name: str
    lo: int
    hi: int

    @property
    def extent(self) -> int:
        return self.hi - self.lo

    @property
    def range(self) -> Range:
        return Range(self.lo, self.hi)


@dataclass(frozen=True)
class Residue:
    """The guard `[index mod modulus = 0]`: 1 where it holds, else 0."""

    index: Index
    modulus: int


@dataclass(frozen=True)
class Within:
    """The guard `[lo <= index < hi]`: 1 where it holds, else 0."""

    index: Index
    lo: int
    hi: int


Guard = Residue | Within


@dataclass(frozen=True)
class Read:
    """The element of `source` at `index`; 0 outside the source's box."""

    source: Tensor | Scope
    index: tuple[Index, ...]


@dataclass(frozen=True)
class Call:
    """A nonlinear scalar function of sums of products, such as `relu(X[i]+b[i])`."""

    function: str
    arguments: tuple[Body, ...]


Factor = Read | Call


@dataclass(frozen=True)
class Term:
    """`coefficient * product(factors) * product(guards)`."""

    factors: tuple[Factor, ...] = ()
    guards: tuple[Guard, ...] = ()
    coefficient: Fraction = Fraction(1)

    @property
    def reads(self) -> tuple[Read, ...]:
        """The factors that are reads (not those inside calls)."""
        return tuple(f for f in self.factors if isinstance(f, Read))


Body = tuple[Term, ...]


@dataclass(frozen=True)
class Scope:
    """`L<traversal> S<summation> body`. A body without terms is the zero tensor."""

    traversal: tuple[Iterator, ...]
    summation: tuple[Iterator, ...]
    body: Body

    @cached_property
    def ranges(self) -> Mapping[str, Range]:
        return {i.name: i.range for i in self.traversal + self.summation}

    @cached_property
    def box(self) -> tuple[Range, ...]:
        """The ranges of the traversal iterators, in order."""
        return tuple(i.range for i in self.traversal)

    @property
    def extents(self) -> tuple[int, ...]:
        return tuple(i.extent for i in self.traversal)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(i.name for i in self.traversal + self.summation)

    @property
    def term(self) -> Term:
        """The only term of the body; raises ValueError for a sum of several."""
        (term,) = self.body
        return term

    def __str__(self) -> str:
        from einnet.expr.text import format_scope

        return format_scope(self)


def box_of(source: Tensor | Scope) -> tuple[Range, ...]:
    """The box outside which a read of `source` gives 0."""
    if isinstance(source, Tensor):
        return tuple(Range(0, extent) for extent in source.shape)
    return source.box


def factors_of(body: Body) -> Iterable_[Factor]:
    """Every factor of a body, calls before what is inside them; nested scopes are not entered."""
    for term in body:
        for factor in term.factors:
            yield factor
            if isinstance(factor, Call):
                for argument in factor.arguments:
                    yield from factors_of(argument)


def tensors_of(scope: Scope) -> tuple[Tensor, ...]:
    """The tensors that a scope reads, nested scopes included, each once, in order of reading."""
    found: dict[str, Tensor] = {}
    for factor in factors_of(scope.body):
        if isinstance(factor, Read):
            if isinstance(factor.source, Tensor):
                found.setdefault(factor.source.name, factor.source)
            else:
                for tensor in tensors_of(factor.source):
                    found.setdefault(tensor.name, tensor)
    return tuple(found.values())


def fresh_name(base: str, taken: frozenset[str] | set[str]) -> str:
    """`base` with the smallest number appended that makes it new; trailing digits are dropped."""
    stem = base.rstrip("0123456789") or base
    if stem not in taken:
        return stem
    number = 0
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"
