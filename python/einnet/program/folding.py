"""Constant folding: what an eOperator computes from weights alone becomes a constant of its own.

A body is a sum of products; the terms that agree in everything but their constant factors are one
term whose coefficient is a constant tensor, computed once when compiling. Batch normalisation
becomes a scale and a shift that way (PET, OSDI 2021, section 6.2, preprocessing).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from einnet.expr.index import var
from einnet.expr.nodes import (
    Body,
    Call,
    Factor,
    Iterator,
    Read,
    Scope,
    Tensor,
    Term,
    factors_of,
    fresh_name,
    tensors_of,
)
from einnet.expr.program import Definition, Program, Statement, constants_of, names_of
from einnet.rules.summation_splitting import iterators_in_body


def fold_constants(program: Program) -> Program:
    """Give every constant part of an eOperator's body that takes arithmetic its own definition."""
    constants = constants_of(program)
    taken = names_of(program)
    statements: list[Statement] = []
    for statement in program.statements:
        if (
            not isinstance(statement, Definition)
            or statement.library is not None
            or statement.result.name in constants
        ):
            statements.append(statement)
        else:
            folder = _Folder(statement, constants, taken)
            body = folder.body(statement.scope.body)
            statements += folder.definitions
            statements.append(replace(statement, scope=replace(statement.scope, body=body)))
    return replace(program, statements=tuple(statements))


@dataclass
class _Folder:
    """Folds one definition's body, collecting the definitions of its constants."""

    owner: Definition
    constants: frozenset[str]
    taken: set[str]
    definitions: list[Definition] = field(default_factory=list[Definition])

    def body(self, body: Body) -> Body:
        groups: dict[tuple[object, ...], list[Term]] = {}
        rest: dict[tuple[object, ...], Term] = {}
        for term in body:
            varying = tuple(f for f in term.factors if not self.is_constant(f))
            fixed = tuple(f for f in term.factors if self.is_constant(f))
            key = (varying, term.guards)
            groups.setdefault(key, []).append(Term(fixed, (), term.coefficient))
            rest.setdefault(key, Term(varying, term.guards))
        folded: list[Term] = []
        for key, fixed_terms in groups.items():
            shared = rest[key]
            varying = tuple(self.factor(f) for f in shared.factors)
            folded += [
                Term((*varying, *t.factors), shared.guards, t.coefficient)
                for t in self.constant(tuple(fixed_terms))
            ]
        return tuple(folded)

    def factor(self, factor: Factor) -> Factor:
        if isinstance(factor, Call):
            return Call(factor.function, tuple(self.body(a) for a in factor.arguments))
        return factor

    def constant(self, body: Body) -> Body:
        """The body as one read of a new constant, or itself where that would save nothing."""
        factors = [f for t in body for f in t.factors]
        used = iterators_in_body(body)
        worth = len(body) > 1 or len(factors) > 1 or any(isinstance(f, Call) for f in factors)
        if not worth or not used:
            return body
        scope = self.owner.scope
        iterators = tuple(i for i in scope.traversal + scope.summation if i.name in used)
        traversal = tuple(Iterator(i.name, 0, i.hi) for i in iterators)
        name = fresh_name(f"{self.owner.result.name}_constant", self.taken)
        self.taken.add(name)
        result = Tensor(name, tuple(i.hi for i in traversal), self.owner.result.dtype)
        self.definitions.append(Definition(result, Scope(traversal, (), body), "folded constant"))
        return (Term((Read(result, tuple(var(i.name) for i in traversal)),)),)

    def is_constant(self, factor: Factor) -> bool:
        """Whether the factor depends on weights alone."""
        if isinstance(factor, Read):
            if isinstance(factor.source, Tensor):
                return factor.source.name in self.constants
            return all(t.name in self.constants for t in tensors_of(factor.source))
        inside = [f for a in factor.arguments for f in factors_of(a)]
        return all(self.is_constant(f) for f in inside)
