"""The order of association of a product of several reads, by dynamic programming over subsets.

`S A*B*C*...` is split, two groups of factors at a time, by summation splitting; an intermediate
product sums what no other factor depends on. The cheapest tree costs the least estimated time, and
what depends on constants alone costs nothing, since it is computed once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from math import prod

from einnet.expr.index import iterators_of
from einnet.expr.nodes import Read, Scope, Tensor
from einnet.expr.program import Definition, define_nested
from einnet.operators.cost import Machine
from einnet.rules.rewrite import Step
from einnet.rules.summation_splitting import PRODUCT, iterators_in, split_product
from einnet.rules.variable_substitution import shift

MAX_FACTORS = 8


@dataclass(frozen=True)
class Association:
    """An order of association: the definitions of its intermediate products, the result last, the
    steps that lead to it, and its estimated seconds."""

    definitions: tuple[Definition, ...]
    steps: tuple[Step, ...]
    seconds: float


@dataclass(frozen=True)
class _Tree:
    factors: frozenset[int]
    children: tuple[_Tree, _Tree] | None
    seconds: float


def associate(
    definition: Definition, constants: frozenset[str], machine: Machine, taken: set[str]
) -> Association | None:
    """The cheapest order for a definition of one term with three or more reads of tensors.

    None for a definition of another form.
    """
    if not is_long_product(definition.scope):
        return None
    scope, shifts = _from_zero(definition.scope)
    tree = _cheapest(scope, constants, machine)
    nested, steps = _apply(scope, tree)
    parts = define_nested(Definition(definition.result, nested, definition.label), taken)
    return Association(parts, (*shifts, *steps), tree.seconds)


def is_long_product(scope: Scope) -> bool:
    """Whether the scope is a sum over one product of three or more reads of tensors."""
    if len(scope.body) != 1 or not scope.summation:
        return False
    factors = scope.term.factors
    return 2 < len(factors) <= MAX_FACTORS and all(
        isinstance(f, Read) and isinstance(f.source, Tensor) for f in factors
    )


def _from_zero(scope: Scope) -> tuple[Scope, tuple[Step, ...]]:
    """The scope with sums that start at 0: they may become dimensions of intermediate products."""
    steps: list[Step] = []
    for iterator in scope.summation:
        if iterator.lo:
            steps.append(Step("shift", (("iterator", iterator.name), ("offset", -iterator.lo))))
            scope = shift(scope, iterator.name, -iterator.lo)
    return scope, tuple(steps)


def _cheapest(scope: Scope, constants: frozenset[str], machine: Machine) -> _Tree:
    term = scope.term
    extents = {i.name: i.extent for i in scope.traversal + scope.summation}
    output = frozenset(i.name for i in scope.traversal)
    depends = [iterators_in(f) for f in term.factors]
    everything = frozenset(range(len(depends)))
    idle = frozenset(i.name for i in scope.summation).difference(*depends)
    sources = [r.source for r in term.reads if isinstance(r.source, Tensor)]
    fixed = frozenset(p for p, source in enumerate(sources) if source.name in constants)

    def visible(group: frozenset[int]) -> frozenset[str]:
        """The iterators of the group's product as a tensor."""
        held = frozenset[str]().union(*(depends[p] for p in group))
        others = frozenset[str]().union(output, *(depends[p] for p in everything - group))
        for guard in term.guards:
            if not iterators_of(guard.index) <= held:
                others |= iterators_of(guard.index)
        return held & others

    def operand(group: frozenset[int]) -> tuple[frozenset[str], int]:
        """The iterators of what is read for the group, and its elements. A single factor is read as
        it stands: what only it depends on is summed by its reader."""
        if len(group) > 1:
            names = visible(group)
            return names, prod(extents[n] for n in names)
        (position,) = group
        return depends[position], prod(sources[position].shape)

    def seconds(a: frozenset[int], b: frozenset[int]) -> float:
        group = a | b
        if group <= fixed:
            return 0.0
        (names_a, elements_a), (names_b, elements_b) = operand(a), operand(b)
        space, result = names_a | names_b, visible(group)
        if group == everything:
            space, result = space | output | idle, output
        work = prod(extents[n] for n in space)
        rate = machine.product_rate if space - result else machine.loop_rate
        traffic = elements_a + elements_b + prod(extents[n] for n in result)
        memory = traffic * machine.element / machine.bandwidth
        return max(2 * work / rate, memory) + machine.launch

    @cache
    def best(group: frozenset[int]) -> _Tree:
        if len(group) == 1:
            return _Tree(group, None, 0.0)
        first = min(group)
        rest = sorted(group - {first})
        trees: list[_Tree] = []
        for mask in range(1 << len(rest)):
            left = frozenset({first, *(p for n, p in enumerate(rest) if mask >> n & 1)})
            if left == group:
                continue
            a, b = best(left), best(group - left)
            total = a.seconds + b.seconds + seconds(left, group - left)
            trees.append(_Tree(group, (a, b), total))
        return min(trees, key=lambda t: (t.seconds, sorted(map(sorted, _groups(t)))))

    return best(everything)


def _groups(tree: _Tree) -> list[frozenset[int]]:
    if tree.children is None:
        return []
    return [tree.factors, *_groups(tree.children[0]), *_groups(tree.children[1])]


def _apply(scope: Scope, tree: _Tree) -> tuple[Scope, tuple[Step, ...]]:
    """Nest the tree's groups by the rule, outermost first."""
    steps: list[Step] = []

    def nest(scope: Scope, tree: _Tree, order: list[int], path: str) -> Scope:
        """`order` says which original factor stands at each position of the scope's term."""
        assert tree.children is not None
        for child in sorted(tree.children, key=lambda t: -len(t.factors)):
            if child.children is None:
                continue
            inner = tuple(n for n, p in enumerate(order) if p in child.factors)
            steps.append(Step(PRODUCT, (("scope", path), ("inner", tuple(map(str, inner))))))
            within = [order[n] for n in inner]
            scope = split_product(scope, inner)
            term = scope.term
            read = term.factors[0]
            assert isinstance(read, Read) and isinstance(read.source, Scope)
            nested = nest(read.source, child, within, f"{path}/{min(child.factors)}")
            factors = (Read(nested, read.index), *term.factors[1:])
            scope = replace(scope, body=(replace(term, factors=factors),))
            order = [-1, *(p for p in order if p not in child.factors)]
        return scope

    nested = nest(scope, tree, list(range(len(scope.term.factors))), "")
    return nested, tuple(steps)
