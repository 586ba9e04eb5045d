"""Expression merging and splitting: several definitions as one, and one as two.

Formulas:

- merge: definitions `Y_i = L_{..,x:n_i} S X[e] * W_i[..,x,..]` that read one tensor X in the same
  way and differ in the other operand and the extent of one iterator x become one:
  `W = concat(W_i); Y = L_{..,x:sum n_i} S X[e] * W[..,x,..]; Y_i = Y[..,x + n_1 + .. + n_i-1,..]`;
- batch: definitions of one form over different operands become one with a new iterator b over
  them: `A = stack(A_i); B = stack(B_i); Y = L_{b,..} S A[b,..] * B[b,..]; Y_i = Y[i,..]`;
- split: `Y = L_x f  =>  P = L_{x<p} f; Q = L_{x>=p} f; Y = concat(P, Q)`, the inverse of merge.

Condition: to merge or batch, the definitions are products of two tensors with the same sums,
guards, coefficient and element types, and none depends on another one's result. To merge, x occurs
in W_i alone, as the bare index of one dimension of extent n_i, and the other dimensions agree. To
batch, all ranges, indices and shapes agree. To split, p is inside the range of x.

Paper: EinNet, OSDI 2023, section 4.2.

Concatenation and stacking are sums of zero-extended, shifted reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from einnet.expr.index import Index, constant, iterators_of, var
from einnet.expr.nodes import Iterator, Read, Scope, Tensor, Term, Within, fresh_name
from einnet.expr.program import Definition
from einnet.expr.transform import rename, substitute_body
from einnet.rules.rewrite import NotApplicable
from einnet.rules.variable_substitution import find

MERGE = "merge-parallel"
BATCH = "batch-parallel"
SPLIT = "split-expression"


def merge_parallel(
    definitions: Sequence[Definition], shared: str, taken: set[str]
) -> tuple[Definition, ...]:
    """Definitions that read the tensor `shared` as one, and each result as a slice of it.

    The caller knows that none depends on another one's result. New names are not in `taken`, and
    are added to it. Raises NotApplicable where they differ in more than the other operand and the
    extent of one iterator.
    """
    first, aligned = _aligned(definitions)
    which = _operand_of(first, shared)
    other = 1 - which
    for scope in aligned:
        _require(_read(scope, which) == _read(first, which), f"{shared} is read in several ways")
        same = _read(scope, other).index == _read(first, other).index
        _require(same, "the other operands are read in several ways")
    axis, position = _own_axis(aligned, other)
    weights = [_source(scope, other) for scope in aligned]
    offsets = [0]
    for scope, weight in zip(aligned, weights, strict=True):
        agree = _without(weight.shape, position) == _without(weights[0].shape, position)
        _require(agree, f"{weight.name} and {weights[0].name} differ in other dimensions")
        offsets.append(offsets[-1] + find(scope, axis).extent)
    label = "+".join(d.label for d in definitions)
    joined = _named(weights[0], f"{weights[0].name}_merged", taken)
    shape = (*joined.shape[:position], offsets[-1], *joined.shape[position + 1 :])
    joined = replace(joined, shape=shape)
    concat = Definition(joined, _concatenation(weights, position, shape), "merged operands")
    traversal = tuple(replace(i, hi=offsets[-1]) if i.name == axis else i for i in first.traversal)
    reads = list(first.term.factors)
    reads[other] = Read(joined, _read(first, other).index)
    whole = Scope(traversal, first.summation, (replace(first.term, factors=tuple(reads)),))
    result = _named(definitions[0].result, f"{definitions[0].result.name}_merged", taken)
    result = replace(result, shape=whole.extents)
    slices = [
        Definition(d.result, _slice(result, scope, axis, offset), d.label)
        for d, scope, offset in zip(definitions, aligned, offsets, strict=False)
    ]
    return (concat, Definition(result, whole, label), *slices)


def batch_parallel(definitions: Sequence[Definition], taken: set[str]) -> tuple[Definition, ...]:
    """Definitions of one form and size as one over a new first iterator.

    The caller knows that none depends on another one's result. New names are not in `taken`, and
    are added to it. Raises NotApplicable where forms differ.
    """
    first, aligned = _aligned(definitions)
    batch = fresh_name("b", first.names)
    parts: list[Definition] = []
    reads: list[Read] = []
    for which in range(2):
        sources = [_source(scope, which) for scope in aligned]
        for scope in aligned:
            _require(
                scope.traversal == first.traversal
                and _read(scope, which).index == _read(first, which).index
                and _source(scope, which).shape == sources[0].shape,
                "the definitions differ in more than their operands",
            )
        stacked = _named(sources[0], f"{sources[0].name}_stacked", taken)
        stacked = replace(stacked, shape=(len(sources), *sources[0].shape))
        parts.append(Definition(stacked, _stack(sources), "stacked operands"))
        reads.append(Read(stacked, (var(batch), *_read(first, which).index)))
    iterator = Iterator(batch, 0, len(definitions))
    body = (replace(first.term, factors=tuple(reads)),)
    whole = Scope((iterator, *first.traversal), first.summation, body)
    result = _named(definitions[0].result, f"{definitions[0].result.name}_batch", taken)
    result = replace(result, shape=whole.extents)
    label = "+".join(d.label for d in definitions)
    slices: list[Definition] = []
    for number, definition in enumerate(definitions):
        index = (constant(number), *(var(i.name) for i in first.traversal))
        scope = Scope(first.traversal, (), (Term((Read(result, index),)),))
        slices.append(Definition(definition.result, scope, definition.label))
    return (*parts, Definition(result, whole, label), *slices)


def split_expression(
    definition: Definition, name: str, point: int, taken: set[str]
) -> tuple[Definition, ...]:
    """The definition in two along the traversal iterator `name`, joined again.

    Raises NotApplicable if `point` is not inside the iterator's range.
    """
    scope = definition.scope
    iterator = find(scope, name)
    _require(iterator in scope.traversal, f"{name} is not a traversal iterator")
    inside = iterator.lo < point < iterator.hi
    _require(inside, f"{point} is not inside the range {iterator.lo}:{iterator.hi} of {name}")
    position = scope.traversal.index(iterator)
    low = _part(definition, position, iterator.lo, point, taken)
    high = _part(definition, position, point, iterator.hi, taken)
    shape = definition.result.shape
    joined = _concatenation([low.result, high.result], position, shape)
    return (low, high, replace(definition, scope=joined, library=None))


def _part(definition: Definition, position: int, lo: int, hi: int, taken: set[str]) -> Definition:
    scope = definition.scope
    iterator = scope.traversal[position]
    moved = replace(iterator, lo=0, hi=hi - lo)
    traversal = (*scope.traversal[:position], moved, *scope.traversal[position + 1 :])
    part = Scope(traversal, scope.summation, ())
    body = substitute_body(scope.body, {iterator.name: var(iterator.name) + lo}, part.ranges)
    result = _named(definition.result, f"{definition.result.name}_part", taken)
    part = replace(part, body=body)
    return Definition(replace(result, shape=part.extents), part, definition.label)


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise NotApplicable(reason)


def _named(like: Tensor, base: str, taken: set[str]) -> Tensor:
    name = fresh_name(base, taken)
    taken.add(name)
    return replace(like, name=name)


def _aligned(definitions: Sequence[Definition]) -> tuple[Scope, list[Scope]]:
    """The scopes with the first one's names for iterators at the same places."""
    _require(len(definitions) > 1, "there is nothing to merge with")
    first = definitions[0].scope
    names = [i.name for i in first.traversal + first.summation]
    aligned: list[Scope] = []
    for definition in definitions:
        scope = definition.scope
        _require(
            len(scope.body) == 1
            and len(scope.term.reads) == len(scope.term.factors) == 2
            and all(isinstance(r.source, Tensor) for r in scope.term.reads),
            f"{definition.result.name} is not a product of two tensors",
        )
        same = (len(scope.traversal), len(scope.summation))
        _require(same == (len(first.traversal), len(first.summation)), "their ranks differ")
        own = [i.name for i in scope.traversal + scope.summation]
        apart = rename(scope, {n: f".{k}" for k, n in enumerate(own)})
        aligned.append(rename(apart, {f".{k}": n for k, n in enumerate(names)}))
    types = {
        (d.result.dtype, *(_source(scope, which).dtype for which in range(2)))
        for d, scope in zip(definitions, aligned, strict=True)
    }
    _require(len(types) == 1, "their element types differ")
    for scope in aligned:
        _require(scope.summation == first.summation, "their sums differ")
        same_guards = set(scope.term.guards) == set(first.term.guards)
        same_sign = scope.term.coefficient == first.term.coefficient
        _require(same_guards and same_sign, "their guards or coefficients differ")
    return aligned[0], aligned


def _read(scope: Scope, which: int) -> Read:
    return scope.term.reads[which]


def _source(scope: Scope, which: int) -> Tensor:
    source = _read(scope, which).source
    assert isinstance(source, Tensor)
    return source


def _operand_of(scope: Scope, name: str) -> int:
    for which in range(2):
        if _source(scope, which).name == name:
            return which
    raise NotApplicable(f"{name} is not read")


def _own_axis(scopes: Sequence[Scope], which: int) -> tuple[str, int]:
    """The iterator to join along, and the dimension of operand `which` that it indexes.

    It is the only traversal iterator whose range differs; if none does, the first one that indexes
    the whole of one dimension of that operand, and nothing else.
    """
    first = scopes[0]
    differing = {
        i.name
        for scope in scopes
        for i, j in zip(first.traversal, scope.traversal, strict=True)
        if i != j
    }
    _require(len(differing) < 2, "their ranges differ in several iterators")
    for name in differing or [i.name for i in first.traversal]:
        position = _own_dimension(first, which, name)
        if position is not None and all(
            _source(scope, which).shape[position] == find(scope, name).extent for scope in scopes
        ):
            return name, position
    raise NotApplicable("no such iterator indexes the whole of one dimension of one operand alone")


def _own_dimension(scope: Scope, which: int, name: str) -> int | None:
    """The dimension of an operand that the iterator alone indexes, if it is used nowhere else."""
    uses = [e for read in scope.term.reads for e in read.index if name in iterators_of(e)]
    guarded = any(name in iterators_of(g.index) for g in scope.term.guards)
    bare = [d for d, e in enumerate(_read(scope, which).index) if e.name == name]
    return bare[0] if len(uses) == len(bare) == 1 and not guarded else None


def _without(shape: tuple[int, ...], position: int) -> tuple[int, ...]:
    return shape[:position] + shape[position + 1 :]


def _concatenation(tensors: Sequence[Tensor], position: int, shape: tuple[int, ...]) -> Scope:
    """Tensors one after another along a dimension, as a sum of shifted zero-extended reads."""
    traversal = tuple(Iterator(f"d{n}", 0, extent) for n, extent in enumerate(shape))
    terms: list[Term] = []
    offset = 0
    for tensor in tensors:
        index: list[Index] = [var(i.name) for i in traversal]
        index[position] = index[position] - offset
        terms.append(Term((Read(tensor, tuple(index)),)))
        offset += tensor.shape[position]
    return Scope(traversal, (), tuple(terms))


def _stack(tensors: Sequence[Tensor]) -> Scope:
    """Tensors of one shape along a new first dimension."""
    shape = (len(tensors), *tensors[0].shape)
    traversal = tuple(Iterator(f"d{n}", 0, extent) for n, extent in enumerate(shape))
    index = tuple(var(i.name) for i in traversal[1:])
    terms = tuple(
        Term((Read(tensor, index),), (Within(var("d0"), number, number + 1),))
        for number, tensor in enumerate(tensors)
    )
    return Scope(traversal, (), terms)


def _slice(whole: Tensor, scope: Scope, axis: str, offset: int) -> Scope:
    index = tuple(var(i.name) + offset if i.name == axis else var(i.name) for i in scope.traversal)
    return Scope(scope.traversal, (), (Term((Read(whole, index),)),))
