"""The natural form of a program: movements composed into their readers, indices made plain.

An importer spells an operator with pads, strided inserts into zeros, flips and reshapes; composed
into the reads of the contraction they prepare, they leave the operator's own expression, such as
a transposed convolution instead of a convolution over a stretched tensor.
"""

from __future__ import annotations

from dataclasses import replace

from einnet.bridge.composition import replace_sources
from einnet.bridge.guards import conjunction, guard_fact, implied, read_facts
from einnet.expr.index import FloorDiv, Index, Range, Ranges, constant, iterators_of, var
from einnet.expr.nodes import (
    Body,
    Call,
    Guard,
    Iterator,
    Read,
    Scope,
    Tensor,
    Term,
    Within,
    box_of,
    factors_of,
)
from einnet.expr.program import Definition, Program, Statement, without_dead
from einnet.expr.transform import inline_reads, substitute_body


def natural(program: Program) -> Program:
    """The program with every movement composed into its readers and every scope natural.

    A movement stays a definition of its own where it is an output or an operand of an opaque
    operation, and where composing it would leave a reader with `mod` in an index: that is a
    reshape which does not line up with its reader. Results keep their shapes and layouts.
    """
    movements: dict[str, Scope] = {}
    statements: list[Statement] = []
    for statement in program.statements:
        if isinstance(statement, Definition) and statement.library is None:
            scope = _compose_movements(natural_scope(statement.scope), movements)
            statement = replace(statement, scope=scope)
            if moves(scope, statement.result):
                movements[statement.result.name] = scope
        statements.append(statement)
    return without_dead(replace(program, statements=tuple(statements)))


def moves(scope: Scope, result: Tensor) -> bool:
    """Whether the scope only moves elements of one tensor of its own type, or is a constant."""
    if scope.summation or len(scope.body) > 1:
        return False
    if not scope.body or not scope.term.factors:
        return True
    (factor, *more) = scope.term.factors
    return (
        not more
        and scope.term.coefficient == 1
        and isinstance(factor, Read)
        and isinstance(factor.source, Tensor)
        # A change of type rounds.
        and factor.source.dtype == result.dtype
    )


def _compose_movements(scope: Scope, movements: dict[str, Scope]) -> Scope:
    """Compose each movement that the scope reads, in order of reading, where it lines up."""
    limit = None if _is_one_read(scope) else mods(scope)
    for name in _tensors_read(scope):
        movement = movements.get(name)
        if movement is None:
            continue
        composed = natural_scope(inline_reads(replace_sources(scope, {name: movement})))
        if limit is None or mods(composed) <= limit:
            scope = composed
    return scope


def _is_one_read(scope: Scope) -> bool:
    single = not scope.summation and len(scope.body) == 1
    return single and len(scope.term.factors) == len(scope.term.reads) == 1


def _tensors_read(scope: Scope) -> list[str]:
    names = (
        f.source.name
        for f in factors_of(scope.body)
        if isinstance(f, Read) and isinstance(f.source, Tensor)
    )
    return list(dict.fromkeys(names))


def mods(scope: Scope) -> int:
    """How many `mod`s the indices of reads hold."""
    return sum(_mods_in(e) for f in factors_of(scope.body) if isinstance(f, Read) for e in f.index)


def _mods_in(index: Index) -> int:
    count = 0
    for atom, coefficient in index.terms:
        if isinstance(atom, FloorDiv):
            count += _mods_in(atom.operand)
            count += coefficient % atom.divisor == 0
    return count


# One scope ----------------------------------------------------------------------------------


def natural_scope(scope: Scope) -> Scope:
    """An equal scope without unit iterators in its body, without sums that no read needs, with
    guards that neither the ranges nor the zero extension of a read imply, and with summation
    iterators that stand alone in a read counting upwards from that read's first element.
    """
    while True:
        simpler = _simplify(scope)
        if simpler == scope:
            return scope
        scope = simpler


def _simplify(scope: Scope) -> Scope:
    scope = _without_units(scope)
    scope = replace(scope, body=simplify_guards(scope.body, scope.ranges))
    scope = _without_idle_sums(scope)
    if len(scope.body) == 1:
        scope = _tightened(scope)
    for iterator in scope.summation:
        direction = _direction(iterator, scope)
        if direction is not None:
            sign, offset = direction
            scope = _reindexed(scope, iterator, sign, offset)
    return scope


def _without_units(scope: Scope) -> Scope:
    units = {i.name: constant(i.lo) for i in (*scope.traversal, *scope.summation) if i.extent == 1}
    if not units:
        return scope
    summation = tuple(i for i in scope.summation if i.extent > 1)
    return Scope(scope.traversal, summation, substitute_body(scope.body, units, scope.ranges))


def simplify_guards(body: Body, ranges: Ranges) -> Body:
    """The body without guards that hold anyway and without terms whose guards never hold."""
    terms: list[Term] = []
    for term in body:
        guards = conjunction(term.guards, ranges)
        if guards is None:
            continue
        factors = tuple(
            replace(f, arguments=tuple(simplify_guards(a, ranges) for a in f.arguments))
            if isinstance(f, Call)
            else f
            for f in term.factors
        )
        term = replace(term, factors=factors, guards=guards)
        if all(_may_be_inside(read, ranges) for read in term.reads):
            terms.append(replace(term, guards=_needed(term, ranges)))
    return tuple(terms)


def _may_be_inside(read: Read, ranges: Ranges) -> bool:
    inside = (
        Within(e, lo, hi) for e, (lo, hi) in zip(read.index, box_of(read.source), strict=True)
    )
    return conjunction(inside, ranges) is not None


def _needed(term: Term, ranges: Ranges) -> tuple[Guard, ...]:
    """The guards without those that the reads' being inside and the other guards imply.

    Where a read is outside its source the term is 0 whatever the guards say.
    """
    facts = read_facts(term.reads, term.guards)
    kept = list(term.guards)
    for guard in term.guards:
        if isinstance(guard, Within):
            others = [guard_fact(g) for g in kept if isinstance(g, Within) and g is not guard]
            if implied(guard, (*facts, *others), ranges):
                kept.remove(guard)
    return tuple(kept)


def _without_idle_sums(scope: Scope) -> Scope:
    """Sums over iterators that the body does not use, as factors."""
    used = _iterators_in(scope.body)
    idle = [i for i in scope.summation if i.name not in used]
    if not idle:
        return scope
    factor = 1
    for iterator in idle:
        factor *= iterator.extent
    body = tuple(replace(t, coefficient=t.coefficient * factor) for t in scope.body)
    return Scope(scope.traversal, tuple(i for i in scope.summation if i not in idle), body)


def _iterators_in(body: Body) -> set[str]:
    names: set[str] = set()
    for term in body:
        for guard in term.guards:
            names |= iterators_of(guard.index)
        for factor in term.factors:
            if isinstance(factor, Read):
                for index in factor.index:
                    names |= iterators_of(index)
            else:
                for argument in factor.arguments:
                    names |= _iterators_in(argument)
    return names


def _tightened(scope: Scope) -> Scope:
    """Sums without the ends at which a read is outside, or a guard fails, for one iterator alone.

    The body is one term. A sum whose range is left empty makes the scope zero.
    """
    term = scope.term
    limits = {i.name: i.range for i in scope.summation}
    bounded: list[tuple[Index, int, int]] = [
        (g.index, g.lo, g.hi) for g in term.guards if isinstance(g, Within)
    ]
    for read in term.reads:
        bounded += [(e, r.lo, r.hi) for e, r in zip(read.index, box_of(read.source), strict=True)]
    for index, lo, hi in bounded:
        name = _alone(index)
        if name is not None and name in limits:
            coefficient, old = index.coefficient(name), limits[name]
            lo, hi = lo - index.const, hi - index.const
            if coefficient == -1:
                lo, hi = 1 - hi, 1 - lo
            elif coefficient != 1:
                continue
            limits[name] = Range(max(lo, old.lo), min(hi, old.hi))
    if any(r.hi <= r.lo for r in limits.values()):
        return Scope(scope.traversal, (), ())
    summation = tuple(Iterator(i.name, *limits[i.name]) for i in scope.summation)
    return replace(scope, summation=summation)


def _alone(index: Index) -> str | None:
    """The iterator that is the index's only part, constants aside."""
    if len(index.terms) != 1 or isinstance(index.terms[0][0], FloorDiv):
        return None
    return index.terms[0][0].name


def _direction(iterator: Iterator, scope: Scope) -> tuple[int, int] | None:
    """(sign, offset) such that `sign*iterator + offset` is the plainest new iterator.

    None if the iterator itself is.
    """
    alone: list[tuple[int, int]] = []
    for factor in factors_of(scope.body):
        if isinstance(factor, Read):
            for index in factor.index:
                coefficient = index.coefficient(iterator.name)
                if _alone(index) == iterator.name and abs(coefficient) == 1:
                    alone.append((coefficient, index.const))
    if not alone:
        return (1, -iterator.lo) if iterator.lo else None
    # Upwards if any read goes upwards; then the read that needs the smallest shift.
    best = min(alone, key=lambda place: (place[0] < 0, abs(place[1]), place[1]))
    return None if best == (1, 0) else best


def _reindexed(scope: Scope, iterator: Iterator, sign: int, offset: int) -> Scope:
    """The scope with the sum over `iterator` run by `sign*iterator + offset` instead."""
    ends = (sign * iterator.lo + offset, sign * (iterator.hi - 1) + offset)
    new = Iterator(iterator.name, min(ends), max(ends) + 1)
    summation = tuple(new if i == iterator else i for i in scope.summation)
    ranges = {i.name: i.range for i in (*scope.traversal, *summation)}
    value = (var(iterator.name) - offset) * sign
    return Scope(
        scope.traversal, summation, substitute_body(scope.body, {iterator.name: value}, ranges)
    )
