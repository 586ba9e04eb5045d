"""The order of association: the cheapest of all orders, each of which means the same."""

from __future__ import annotations

from collections.abc import Iterator as Iterable_
from dataclasses import replace
from itertools import combinations
from math import prod

import pytest
from definitions import Definitions, chain, define, same_results
from hypothesis import given
from hypothesis import strategies as st

from einnet.expr.index import Index, bounds, iterators_of, var
from einnet.expr.nodes import Guard, Iterator, Read, Scope, Tensor, Term, Within
from einnet.expr.program import Definition, Program, constants_of, define_nested
from einnet.expr.transform import residue
from einnet.operators.cost import CPU, Machine, points
from einnet.rules.summation_splitting import split_product
from einnet.search import association
from einnet.search.association import MAX_FACTORS, associate, is_long_product

TOY = Machine("toy", product_rate=2.0, loop_rate=0.5, bandwidth=4.0, launch=1.0)
"""So slow that small sizes count, and each of arithmetic, memory and launches sometimes decides."""

Tree = int | tuple["Tree", "Tree"]
Case = tuple[Definition, frozenset[str]]


@st.composite
def products(draw: st.DrawFn, most: int = 5) -> Case:
    """A sum over a product of three to five tensors, and which of them are constant."""
    letters = "abcdef"[: draw(st.integers(2, 5))]
    iterators = {
        n: Iterator(n, 0, draw(st.integers(1, 4))) for n in letters[: draw(st.integers(1, 2))]
    }
    outputs = tuple(iterators.values())
    for name in letters[len(iterators) :] or "z":
        lo = draw(st.sampled_from((0, 0, 0, -1, 2)))
        iterators[name] = Iterator(name, lo, lo + draw(st.integers(1, 4)))
    sums = tuple(draw(st.permutations([i for i in iterators.values() if i not in outputs])))
    ranges = {i.name: i.range for i in iterators.values()}
    names = st.lists(st.sampled_from(sorted(iterators)), unique=True, min_size=1, max_size=2)
    reads: list[Read] = []
    for number in range(draw(st.integers(3, most))):
        index = [var(n) for n in draw(names)]
        if draw(st.integers(0, 3)) == 0:
            index[0] = index[0] + var(draw(st.sampled_from(sorted(iterators)))) - 1
        index = [e - min(bounds(e, ranges)[0], 0) - draw(st.integers(0, 1)) for e in index]
        shape = tuple(max(1, bounds(e, ranges)[1] + 1) for e in index)
        reads.append(Read(Tensor(f"T{number}", shape), tuple(index)))
    guards = tuple(_guard(draw, draw(names)) for _ in range(draw(st.sampled_from((0, 0, 1, 2)))))
    scope = Scope(outputs, sums, (Term(tuple(reads), guards),))
    constants = [r.source.name for r in reads if isinstance(r.source, Tensor)]
    chosen = draw(st.lists(st.sampled_from(constants), unique=True, max_size=3))
    return Definition(Tensor("Y", scope.extents), scope, "op"), frozenset(chosen)


def _guard(draw: st.DrawFn, names: list[str]) -> Guard:
    index: Index = sum((var(n) for n in names[1:]), var(names[0]))
    return residue(index, 2) if draw(st.booleans()) else Within(index, 0, 3)


def trees(leaves: tuple[int, ...]) -> Iterable_[Tree]:
    """Every order of association of the leaves."""
    if len(leaves) == 1:
        yield leaves[0]
        return
    first, *rest = leaves
    for size in range(len(rest)):
        for chosen in combinations(rest, size):
            left = (first, *chosen)
            right = tuple(n for n in leaves if n not in left)
            for a in trees(left):
                for b in trees(right):
                    yield a, b


def leaves_of(tree: Tree) -> frozenset[int]:
    return frozenset({tree}) if isinstance(tree, int) else leaves_of(tree[0]) | leaves_of(tree[1])


def nest(scope: Scope, tree: Tree, standing: list[int]) -> Scope:
    """The scope with the tree's groups nested; `standing` are the original numbers of its factors,
    -1 for a group."""
    assert not isinstance(tree, int)
    for child in tree:
        if isinstance(child, int):
            continue
        group = leaves_of(child)
        places = tuple(n for n, number in enumerate(standing) if number in group)
        inside = [standing[n] for n in places]
        standing = [-1, *(number for number in standing if number not in group)]
        scope = split_product(scope, places)
        read = scope.term.reads[0]
        assert isinstance(read.source, Scope)
        read = replace(read, source=nest(read.source, child, inside))
        scope = replace(scope, body=(replace(scope.term, factors=(read, *scope.term.factors[1:])),))
    return scope


def from_zero(definition: Definition) -> Definition:
    """The same sums over ranges that start at 0."""
    shifted, _ = association._from_zero(definition.scope)
    return replace(definition, scope=shifted)


def built(definition: Definition, tree: Tree) -> Definitions:
    definition = from_zero(definition)
    scope = nest(definition.scope, tree, list(range(len(definition.scope.term.factors))))
    return define_nested(replace(definition, scope=scope), {"Y"})


def seconds(parts: Definitions, constants: frozenset[str], machine: Machine) -> float:
    """What the parts cost, each by what it reads, computes and writes."""
    inputs = tuple({t.name: t for d in parts for t in d.operands}.values())
    fixed = constants_of(Program("m", inputs, parts, (), constants))
    total = 0.0
    for part in parts:
        if part.result.name in fixed:
            continue
        read = sum(prod(r.source.shape) for r in part.scope.term.reads)  # pyright: ignore
        memory = (read + prod(part.result.shape)) * machine.element / machine.bandwidth
        rate = machine.product_rate if part.scope.summation else machine.loop_rate
        total += max(2 * points(part.scope) / rate, memory) + machine.launch
    return total


@given(products())
def test_it_is_the_cheapest_of_all_orders(case: Case):
    definition, constants = case
    found = associate(definition, constants, TOY, {"Y"})
    assert found is not None
    orders = list(trees(tuple(range(len(definition.scope.term.factors)))))
    costs = [seconds(built(definition, tree), constants, TOY) for tree in orders]
    assert found.seconds == pytest.approx(min(costs))
    assert seconds(found.definitions, constants, TOY) == pytest.approx(found.seconds)


@given(products())
def test_it_means_the_same(case: Case):
    definition, constants = case
    found = associate(definition, constants, TOY, {"Y", "Y_part"})
    assert found is not None
    assert same_results((definition,), found.definitions)
    assert all(len(d.scope.term.factors) == 2 for d in found.definitions)
    assert "Y_part" not in {d.result.name for d in found.definitions}


@given(products(most=4))
def test_every_order_means_the_same(case: Case):
    definition, _ = case
    for tree in trees(tuple(range(len(definition.scope.term.factors)))):
        assert same_results((definition,), built(definition, tree))


def test_there_are_as_many_orders_as_there_should_be():
    assert [len(list(trees(tuple(range(n))))) for n in (2, 3, 4, 5)] == [1, 3, 15, 105]


def test_an_estimate_that_forgets_an_iterator_is_found(monkeypatch: pytest.MonkeyPatch):
    (chosen,) = define(TRIPLE.format(m=2, k=40, n=40, p=2), A=(2, 40), B=(40, 40), C=(40, 2))
    best = associate(chosen, frozenset(), TOY, {"t0"})
    depends = association.iterators_in
    monkeypatch.setattr(association, "iterators_in", lambda f: depends(f) - {"n"})  # pyright: ignore
    worse = associate(chosen, frozenset(), TOY, {"t0"})
    assert best is not None and worse is not None
    none = frozenset[str]()
    assert seconds(best.definitions, none, TOY) == pytest.approx(best.seconds)
    assert seconds(worse.definitions, none, TOY) != pytest.approx(worse.seconds)


TRIPLE = "L<m:{m},p:{p}> S<k:{k},n:{n}> A[m,k] * B[k,n] * C[n,p]"


def scopes_of(definition: Definition, constants: str = "") -> list[str]:
    found = associate(definition, frozenset(constants), CPU, {"t0"})
    assert found is not None
    return [str(d.scope) for d in found.definitions]


def test_the_cheap_order_of_three_matrices():
    (right,) = define(TRIPLE.format(m=1000, k=10, n=1000, p=1000),
                      A=(1000, 10), B=(10, 1000), C=(1000, 1000))  # fmt: skip
    assert scopes_of(right) == [
        "L<p:1000,k:10> S<n:1000> B[k,n] * C[n,p]",
        "L<m:1000,p:1000> S<k:10> t0_part[p,k] * A[m,k]",
    ]
    (left,) = define(TRIPLE.format(m=10, k=1000, n=1000, p=10),
                     A=(10, 1000), B=(1000, 1000), C=(1000, 10))  # fmt: skip
    assert scopes_of(left) == [
        "L<m:10,n:1000> S<k:1000> A[m,k] * B[k,n]",
        "L<m:10,p:10> S<n:1000> t0_part[m,n] * C[n,p]",
    ]
    found = associate(left, frozenset(), CPU, {"t0"})
    assert found is not None
    assert [str(s) for s in found.steps] == ["split-product(scope=, inner=0+1)"]


def test_a_scaling_goes_where_it_is_small():
    text = "L<m:64,n:{n}> S<k:512> v[m] * A[m,k] * B[k,n]"
    wide, narrow = (
        define(text.format(n=n), v=(64,), A=(64, 512), B=(512, n))[0] for n in (4096, 5)
    )
    assert scopes_of(wide)[0] == "L<m:64,k:512> v[m] * A[m,k]"
    assert scopes_of(narrow)[0] == "L<m:64,n:5> S<k:512> A[m,k] * B[k,n]"


def test_constants_cost_nothing():
    shapes = {"A": (64, 512), "B": (512, 64), "C": (64, 99), "D": (99, 512)}
    text = "L<m:64,p:512> S<k:512,j:64,l:99> A[m,k] * B[k,j] * C[j,l] * D[l,p]"
    (product,) = define(text, **shapes)
    all_but_one = associate(product, frozenset("BCD"), CPU, {"t0"})
    assert all_but_one is not None
    running = [d for d in all_but_one.definitions if "A" in str(d.scope)]
    assert len(running) == 1 and "C[j,l] * D[l,p]" in str(all_but_one.definitions[0].scope)
    everything = associate(product, frozenset("ABCD"), CPU, {"t0"})
    assert everything is not None and everything.seconds == 0


def test_two_weights_of_a_convolution_become_one():
    shapes = {"X": (2, 4, 14), "W": (16, 4, 3), "V": (8, 16)}
    text = "L<n:2,f:8,h:14> S<c:4,e:16,r:3> X[n,c,h+r-1] * W[e,c,r] * V[f,e]"
    assert scopes_of(define(text, **shapes)[0], "WV")[0] == (
        "L<f:8,c:4,r:3> S<e:16> W[e,c,r] * V[f,e]"
    )


def test_guards_that_cross_groups_stay_outside():
    shapes = {"A": (9, 3), "B": (3, 9), "C": (9, 9)}
    text = "L<m:9,p:9> S<k:3,n:9> A[m,k] * B[k,n] * C[n,p] * [(m+n) mod 2 = 0] * [0 <= k+n < 9]"
    (product,) = define(text, **shapes)
    found = associate(product, frozenset("BC"), CPU, {"t0"})
    assert found is not None and same_results((product,), found.definitions)
    for part in found.definitions:
        for guard in part.scope.term.guards:
            assert iterators_of(guard.index) <= part.scope.names
    assert [len(d.scope.term.guards) for d in found.definitions] == [0, 2]
    # The sum over n is not in the first product, since a guard outside relates n to m.
    assert "n" in {i.name for i in found.definitions[0].scope.traversal}


def test_sums_that_do_not_start_at_0_are_shifted():
    text = "L<m:4> S<k:-1:2,n:2:5> A[m,k+1] * B[k+1,n-2] * C[n-2]"
    (product,) = define(text, A=(4, 3), B=(3, 3), C=(3,))
    found = associate(product, frozenset(), CPU, {"t0"})
    assert found is not None and same_results((product,), found.definitions)
    assert [str(s) for s in found.steps[:2]] == [
        "shift(iterator=k, offset=1)",
        "shift(iterator=n, offset=-2)",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "L<m:4> S<k:3> A[m,k] * C[k]",
        "L<m:4> A[m,0] * C[0] * C[1]",
        "L<m:4> S<k:3> A[m,k] * C[k] * relu(C[k])",
        "L<m:4> S<k:3> A[m,k] * C[k] * C[0] + C[k]",
        "L<m:4> S<k:3> A[m,k] * C[k] * {L<k:3> C[k]}[k]",
        "L<m:4> S<k:3> " + " * ".join(["C[k]"] * (MAX_FACTORS + 1)),
    ],
)
def test_other_definitions_have_no_order(text: str):
    program = chain(text, inputs={"A": (4, 3), "C": (3,)})
    (definition,) = program.definitions
    assert not is_long_product(definition.scope)
    assert associate(definition, frozenset(), CPU, {"t0"}) is None
