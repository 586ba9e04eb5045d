"""Without groups: an iterator that both operands and the result share leaves one of them.

Formulas, g shared:

- by zeros: `L_{g,..} S A[g,..] * B[g,..]  =  L_{g,..} S_k A[k,..] * B'[g,k,..]` where
  `B'[g,k,..] = B[g,..] * [k = g]`: a grouped convolution is a dense one, most weights 0;
- by the diagonal: `L_{g,x} S A[g,..]*B[g,..]  =  L_{g,x} { L_{g,k,x} S A[g,..]*B[k,..] }[g,g,x]`:
  a batched product is one product, of which the blocks on the diagonal are kept.

Condition: g occurs in both operands.

Paper: PET, OSDI 2021, section 4: group to regular convolution, batched to plain product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from einnet.expr.index import Index, iterators_of, substitute, var
from einnet.expr.nodes import Iterator, Read, Scope, Term, Within, fresh_name
from einnet.expr.transform import inline_reads
from einnet.mutations.mutant import Mutated, extents_of, operand, require
from einnet.rules.guard_elimination import drop_implied
from einnet.rules.variable_substitution import find

ZEROS = "ungroup"
DIAGONAL = "diagonal"


def shared(core: Scope) -> tuple[Iterator, ...]:
    """The traversal iterators of more than one point that both operands have."""
    inside = [frozenset[str]().union(*map(iterators_of, read.index)) for read in core.term.reads]
    return tuple(i for i in core.traversal if i.extent > 1 and all(i.name in s for s in inside))


def ungroup(core: Scope, name: str, filled: int) -> Mutated:
    """The iterator `name` of both operands as a sum, operand `filled` with zeros for it.

    Raises NotApplicable where the condition fails.
    """
    group = find(core, name)
    require(group in shared(core), f"{name} is not in both operands and the result")
    summed = fresh_name(f"{name}_sum", core.names)
    kept = operand(core, 1 - filled)
    index = tuple(_renamed(e, name, summed, core) for e in kept.index)
    read = operand(core, filled)
    own = [d for d, e in enumerate(read.index) if e.name == name]
    # The zeros are where the sum differs from the dimension that the iterator indexes, or, if it
    # is only part of an index, from a dimension that is added for it.
    front = (summed,) if own else (summed, name)
    sizes = (*(group.extent for _ in front), *extents_of(read))
    places = tuple(Iterator(f"d{n}", 0, extent) for n, extent in enumerate(sizes))
    inner = tuple(var(i.name) for i in places[len(front) :])
    other = inner[own[0]] if own else var("d1")
    term = Term((Read(read.source, inner),), (Within(other - var("d0"), 0, 1),))
    layout = drop_implied(inline_reads(Scope(places, (), (term,))))
    factors = [kept, kept]
    factors[1 - filled] = replace(kept, index=index)
    factors[filled] = Read(layout, (*map(var, front), *read.index))
    return _with(core, factors, core.traversal, (Iterator(summed, 0, group.extent),))


def diagonal(core: Scope, name: str) -> Mutated:
    """The iterator `name` as one of each operand, of which equal ones are kept.

    Raises NotApplicable where the condition fails.
    """
    group = find(core, name)
    require(group in shared(core), f"{name} is not in both operands and the result")
    other = fresh_name(f"{name}_other", core.names)
    first, second = core.term.reads
    index = tuple(_renamed(e, name, other, core) for e in second.index)
    traversal = (*core.traversal, replace(group, name=other))
    found = _with(core, [first, replace(second, index=index)], traversal)
    return replace(found, index=(*(var(i.name) for i in core.traversal), var(name)))


def _renamed(index: Index, name: str, new: str, core: Scope) -> Index:
    return substitute(index, {name: var(new)}, {**core.ranges, new: core.ranges[name]})


def _with(
    core: Scope,
    factors: Sequence[Read],
    traversal: tuple[Iterator, ...],
    more: tuple[Iterator, ...] = (),
) -> Mutated:
    body = (replace(core.term, factors=tuple(factors)),)
    scope = Scope(traversal, (*core.summation, *more), body)
    return Mutated(scope, tuple(var(i.name) for i in core.traversal))
