"""Absorption: what an eOperator does to the result of a library operator is done to its weights.

Formulas, with W a constant:

- layout: `P = L_{m,n} S_k A[m,k] * W[k,n]; E = L_x f(x, P[m(x), e(x)])
  =>  V = L_{k,y} W[k,e(y)]; P' = L_{m,y} S_k A[m,k] * V[k,y]; E = L_x f(x, P'[m(x), y(x)])`,
  with y those iterators of x that are no m, in their order: P' is stored as E writes it;
- scale: `E = L_x f(x, P[..,n(x)] * c(x))
  =>  V = L_{k,n} W[k,n] * c(n); P' = L_{m,n} S_k A[m,k] * V[k,n]; E = L_x f(x, P'[..,n(x)])`.

Condition: P's only reader is E, which reads it once, and P is no output. For a layout, P is a
product, e never leaves n's range, each m is one iterator of E over its whole range and in no e, E
has no sums, and P' is no larger than P. For a scale, c is a product of constants that depends on
iterators of E at which P's dimension n is read as they are; E may read P through nested scopes that
sum nothing else.

Both leave an eOperator that a library can run as the end of its own: pointwise, at most an addition
and an activation (PET, OSDI 2021, section 6.2, folds batch normalisation; the layouts are ours).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod

from einnet.expr.index import Index, bounds, iterators_of, substitute, var
from einnet.expr.nodes import (
    Body,
    Call,
    Factor,
    Read,
    Scope,
    Tensor,
    Term,
    factors_of,
    fresh_name,
    tensors_of,
)
from einnet.expr.program import (
    Definition,
    Product,
    Program,
    Statement,
    Windowed,
    constants_of,
    names_of,
    uses_of,
)
from einnet.expr.transform import substitute_term
from einnet.rules.rewrite import NotApplicable
from einnet.rules.summation_splitting import iterators_in


@dataclass(frozen=True)
class Pair:
    """A library operator, the eOperator that alone reads its result, which of the operator's
    factors is a constant, and the names of all constants."""

    operator: Definition
    reader: Definition
    fixed: int
    constants: frozenset[str]

    @property
    def weights(self) -> Read:
        return self.operator.scope.term.reads[self.fixed]

    def own(self) -> tuple[str, ...]:
        """The traversal iterators that the constant has and the other operand has not."""
        library = self.operator.library
        assert library is not None
        return library.n if self.fixed == 1 else library.m


Parts = tuple[Definition, Definition, Definition]
"""The new constant, the library operator that reads it, the eOperator after it."""

Rule = Callable[[Pair, set[str]], Parts]


def absorb(program: Program) -> Program:
    """The program with layouts and then scales in weights, wherever that applies. What weights
    alone determine is left in definitions of its own, to be fused and folded."""
    return _everywhere(_everywhere(program, absorb_layout), absorb_scale)


def _everywhere(program: Program, rule: Rule) -> Program:
    taken = names_of(program)
    for name in [d.result.name for d in program.definitions if d.library is not None]:
        pair = _pair(program, name)
        if pair is None:
            continue
        try:
            weights, operator, after = rule(pair, taken)
        except NotApplicable:
            continue
        # What a scale is computed from may come after the operator, but not after its reader.
        statements: list[Statement] = []
        for statement in program.statements:
            if statement is pair.reader:
                statements += (weights, operator, after)
            elif statement is not pair.operator:
                statements.append(statement)
        program = replace(program, statements=tuple(statements))
    return program


def _pair(program: Program, name: str) -> Pair | None:
    """The library operator that computes `name` from weights, with its only reader."""
    constants = constants_of(program)
    operator = program.definition_of(name)
    readers = [d for d in program.definitions if any(t.name == name for t in d.operands)]
    if operator is None or len(readers) != 1 or uses_of(program)[name] != 1:
        return None
    reads = operator.scope.term.reads
    fixed = [which for which in (1, 0) if _source(reads[which]).name in constants]
    if name in constants or readers[0].library is not None or not fixed:
        return None
    return Pair(operator, readers[0], fixed[0], constants)


def absorb_layout(pair: Pair, taken: set[str]) -> Parts:
    """The product stored as its reader writes, which then reads it at its own position.

    New names are not in `taken`, and are added to it. Raises NotApplicable where the condition does
    not hold, and where the product already is stored so.
    """
    operator, reader = pair.operator, pair.reader
    library = operator.library
    if not isinstance(library, Product):
        raise NotApplicable("only a product can be stored in any order")
    if reader.scope.summation:
        raise NotApplicable("the reader sums")
    read = _only_read(reader.scope, operator.result)
    written = tuple(i.name for i in reader.scope.traversal if i.extent > 1)
    units = {i.name for i in reader.scope.traversal if i.extent == 1}
    at_place = tuple(e.name for e in read.index if not iterators_of(e) <= units)
    if at_place == written:
        raise NotApplicable("the product is stored as its reader writes")
    scope = operator.scope
    extents = {i.name: i.extent for i in scope.traversal + scope.summation}
    at = {i.name: e for i, e in zip(scope.traversal, read.index, strict=True)}
    moved = pair.own()
    kept = (*library.batch, *(library.m if pair.fixed == 1 else library.n))
    bare = [_whole(at[name], extents[name], reader.scope) for name in kept]
    order = tuple(i for i in reader.scope.traversal if i.name not in bare)
    after = (*bare, *(i.name for i in order))
    if len(set(after)) < len(after) or tuple(n for n in after if n in written) != written:
        raise NotApplicable("the reader would still write in another order")
    if prod(i.extent for i in order) > prod(extents[n] for n in moved):
        raise NotApplicable("the reader reads elements more than once")
    for name in moved:
        low, high = bounds(at[name], reader.scope.ranges)
        if low < 0 or high >= extents[name]:
            raise NotApplicable(f"{at[name]} leaves the range of {name}")
        if iterators_of(at[name]) & set(bare):
            raise NotApplicable(f"{at[name]} depends on the other operand")
    names: dict[str, str] = {}
    for iterator in order:
        names[iterator.name] = fresh_name(iterator.name, scope.names | {*names.values()})
    new = tuple(replace(i, name=names[i.name]) for i in order)
    groups = (*library.batch, *library.k)
    by_name = {i.name: i for i in scope.traversal + scope.summation}
    stored = (*(by_name[n] for n in groups), *new)
    ranges = {i.name: i.range for i in stored}
    renamed = {old: var(name) for old, name in names.items()}
    values = {n: substitute(at[n], renamed, ranges) for n in moved}
    index = tuple(substitute(e, values, ranges) for e in pair.weights.index)
    body = (Term((replace(pair.weights, index=index),)),)
    weights = _constant(pair, Scope(stored, (), body), taken)
    second = Read(weights.result, tuple(var(i.name) for i in stored))
    traversal = (*(by_name[n] for n in kept), *new)
    first = scope.term.reads[1 - pair.fixed]
    product = Scope(traversal, scope.summation, (Term((first, second)),))
    result = replace(operator.result, shape=product.extents)
    rows = tuple(n for n in kept if n not in library.batch)
    library = Product(library.batch, rows, tuple(i.name for i in new), library.k)
    changed = replace(operator, result=result, scope=product, library=library)
    place = Read(result, tuple(map(var, after)))
    return weights, changed, _with_read(reader, read, place)


def absorb_scale(pair: Pair, taken: set[str]) -> Parts:
    """The operator with weights that include the constant factors of its result in its reader.

    New names are not in `taken`, and are added to it. Raises NotApplicable where the condition does
    not hold, and where there are no such factors.
    """
    operator, library = pair.operator, pair.operator.library
    if isinstance(library, Windowed) and any(w.operand == pair.fixed for w in library.windows):
        raise NotApplicable("the weights are read at windows")
    found = [
        (term, factor, at)
        for term in _terms(pair.reader.scope.body)
        for factor in term.factors
        if (at := _position(factor, operator.result)) is not None
    ]
    if len(found) != 1 or _count(pair.reader.scope, operator.result) != 1:
        raise NotApplicable("the reader reads the result in several ways")
    term, factor, at = found[0]
    assert library is not None
    own = {*library.batch, *pair.own()}
    values = {
        e.name: var(i.name)
        for i, e in zip(operator.scope.traversal, at, strict=True)
        if e is not None and e.name is not None and i.name in own
    }
    scales = tuple(
        f
        for f in term.factors
        if f is not factor and _is_constant(f, pair.constants) and iterators_in(f) <= values.keys()
    )
    if not scales:
        raise NotApplicable("the result has no constant factor")
    by_name = {i.name: i for i in operator.scope.traversal + operator.scope.summation}
    index = pair.weights.index
    stored = tuple(by_name[e.name] for e in index if e.name is not None)
    if len(stored) < len(index) or any(i.lo for i in stored):
        raise NotApplicable("the weights are not read as they are")
    ranges = {i.name: i.range for i in stored}
    scale = substitute_term(Term(scales, (), term.coefficient), values, ranges)
    body = (replace(scale, factors=(pair.weights, *scale.factors)),)
    weights = _constant(pair, Scope(stored, (), body), taken)
    factors = list(operator.scope.term.factors)
    factors[pair.fixed] = Read(weights.result, index)
    body = (replace(operator.scope.term, factors=tuple(factors)),)
    changed = replace(operator, scope=replace(operator.scope, body=body))
    left = tuple(f for f in term.factors if f not in scales)
    return weights, changed, _with_term(pair.reader, term, Term(left, term.guards))


def _constant(pair: Pair, scope: Scope, taken: set[str]) -> Definition:
    """The definition of the operator's new weights."""
    name = fresh_name(f"{pair.operator.result.name}_weights", taken)
    taken.add(name)
    result = replace(_source(pair.weights), name=name, shape=scope.extents)
    return Definition(result, scope, f"weights of {pair.operator.label}".rstrip())


def _source(read: Read) -> Tensor:
    assert isinstance(read.source, Tensor), "libraries read tensors"
    return read.source


def _whole(index: Index, extent: int, scope: Scope) -> str:
    """The iterator that the index is, which runs over all of `extent`."""
    for iterator in scope.traversal:
        if iterator.name == index.name and tuple(iterator.range) == (0, extent):
            return iterator.name
    raise NotApplicable(f"{index} does not run over all of {extent}")


def _only_read(scope: Scope, tensor: Tensor) -> Read:
    """The only read of the tensor, which is not in a nested scope."""
    found = [f for f in factors_of(scope.body) if isinstance(f, Read) and f.source == tensor]
    if len(found) != 1 or _count(scope, tensor) != 1:
        raise NotApplicable(f"{tensor.name} is not read once and directly")
    return found[0]


def _count(scope: Scope, tensor: Tensor) -> int:
    """How many reads of the tensor there are, those in nested scopes included."""
    total = 0
    for factor in factors_of(scope.body):
        if isinstance(factor, Read):
            source = factor.source
            total += _count(source, tensor) if isinstance(source, Scope) else source == tensor
    return total


def _terms(body: Body) -> list[Term]:
    """Every term of a body, those inside calls included."""
    found: list[Term] = []
    for term in body:
        found.append(term)
        for factor in term.factors:
            if isinstance(factor, Call):
                found += (t for argument in factor.arguments for t in _terms(argument))
    return found


def _position(factor: Factor, tensor: Tensor) -> tuple[Index | None, ...] | None:
    """The index, over the reader's iterators, at which a factor reads the tensor, and nothing but
    it: itself, or through nested scopes that sum it; None for a dimension that such a sum runs
    over. None for another factor."""
    if not isinstance(factor, Read):
        return None
    if factor.source == tensor:
        return factor.index
    if not isinstance(factor.source, Scope) or len(factor.source.body) != 1:
        return None
    inner = factor.source
    if len(inner.term.factors) != 1:
        return None
    at = _position(inner.term.factors[0], tensor)
    if at is None:
        return None
    where: Mapping[str, Index] = {
        i.name: e for i, e in zip(inner.traversal, factor.index, strict=True)
    }
    return tuple(None if e is None or e.name is None else where.get(e.name) for e in at)


def _is_constant(factor: Factor, constants: frozenset[str]) -> bool:
    """Whether a factor depends on weights alone."""
    if isinstance(factor, Call):
        inside = [f for argument in factor.arguments for f in factors_of(argument)]
        return all(_is_constant(f, constants) for f in inside)
    if isinstance(factor.source, Tensor):
        return factor.source.name in constants
    return all(t.name in constants for t in tensors_of(factor.source))


def _with_read(definition: Definition, old: Read, new: Read) -> Definition:
    """The definition with one read in the place of another."""

    def changed(term: Term) -> Term:
        return replace(term, factors=tuple(new if f == old else f for f in term.factors))

    return _with_terms(definition, changed)


def _with_term(definition: Definition, old: Term, new: Term) -> Definition:
    """The definition with one term in the place of another."""
    return _with_terms(definition, lambda term: new if term == old else term)


def _with_terms(definition: Definition, changed: Callable[[Term], Term]) -> Definition:
    def body_of(body: Body) -> Body:
        return tuple(changed(replace(t, factors=tuple(map(factor_of, t.factors)))) for t in body)

    def factor_of(factor: Factor) -> Factor:
        if isinstance(factor, Call):
            return replace(factor, arguments=tuple(map(body_of, factor.arguments)))
        return factor

    scope = definition.scope
    return replace(definition, scope=replace(scope, body=body_of(scope.body)))
