"""Definitions that a program reads nonlinearly: their sums are multiplied out by what reads them.

`Y = X * (1 + tanh(X + X^3))` multiplies every term of X with every other one, and layer by layer
the number of terms grows like a tower of powers. As one symbol X is one term.
"""

from __future__ import annotations

from einnet.expr.nodes import Body, Call, Factor, Read, Scope, Tensor, tensors_of
from einnet.expr.program import Definition, Program


def read_nonlinearly(program: Program) -> frozenset[str]:
    """The tensors that are defined in the program and read by a call, or in a product with a call
    or with another tensor that is defined there."""
    defined = {s.result.name for s in program.statements if isinstance(s, Definition)}
    found: set[str] = set()
    for statement in program.statements:
        if isinstance(statement, Definition):
            _collect(statement.scope.body, defined, found)
    return frozenset(found)


def _collect(body: Body, defined: set[str], found: set[str]) -> None:
    for term in body:
        own = [_tensors(f) & defined for f in term.factors]
        for place, factor in enumerate(term.factors):
            others = [f for n, f in enumerate(term.factors) if n != place]
            rest = [names for n, names in enumerate(own) if n != place]
            if isinstance(factor, Call) or any(isinstance(f, Call) for f in others) or any(rest):
                found |= own[place]
            if isinstance(factor, Read) and isinstance(factor.source, Scope):
                _collect(factor.source.body, defined, found)


def _tensors(factor: Factor) -> set[str]:
    if isinstance(factor, Call):
        return {
            n for body in factor.arguments for t in body for f in t.factors for n in _tensors(f)
        }
    source = factor.source
    return {source.name} if isinstance(source, Tensor) else {t.name for t in tensors_of(source)}
