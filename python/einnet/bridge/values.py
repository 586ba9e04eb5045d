"""The kinds of value that a scalar operation computes.

`Data` is a body of the expression language; `Position` an integer computed from the loops; `Truth`
a condition on such integers; `Comparison` a condition on data, which only a `select` that amounts
to relu, maximum or minimum can use.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from einnet.bridge.guards import Conjunction
from einnet.bridge.refusal import NotExpressible
from einnet.expr.index import Index
from einnet.expr.nodes import Body, Term


@dataclass(frozen=True)
class Data:
    """A number computed from elements of tensors."""

    body: Body


@dataclass(frozen=True)
class Position:
    """An integer by cases: exactly one conjunction holds at each point of the loops."""

    cases: tuple[tuple[Conjunction, Index], ...]


@dataclass(frozen=True)
class Truth:
    """A condition on positions: it holds where one of the conjunctions holds, never two."""

    cases: tuple[Conjunction, ...]


@dataclass(frozen=True)
class Comparison:
    """`left > right` for `greater`, else `left < right`; what happens at equality is left open."""

    left: Body
    right: Body
    greater: bool


Scalar = Data | Position | Truth | Comparison


def number_body(number: Fraction) -> Body:
    return (Term(coefficient=number),) if number else ()


def data_body(value: Scalar) -> Body:
    """The body of a value that is yielded. Raises NotExpressible if it is no number."""
    if isinstance(value, Data):
        return value.body
    if isinstance(value, Position) and all(i.is_constant for _, i in value.cases):
        return tuple(Term((), g, Fraction(i.const)) for g, i in value.cases if i.const)
    raise NotExpressible("the loops' position, or a condition, is used as a number")
