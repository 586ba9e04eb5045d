"""Rows of the search benchmark over several operators, several factors and sums of products.

The program is rewritten first (`program/interplay.py`), then every contraction that is left is
searched; what a row finds is the whole plan, with the number of library products in it. Merging
pays where launches count, so those rows are estimated for a GPU.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.rows import LARGE, Derived, Outcome, Row
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Product, Program, constants_of, splice
from einnet.expr.text import parse_scope
from einnet.operators.cost import CPU, Machine
from einnet.program.interplay import Rewritten, candidates_of, rewrite_program
from einnet.program.subprograms import contractions_of, derive
from einnet.search.converge import Limits

GPU = Machine("gpu", product_rate=2e14, loop_rate=2e12, bandwidth=2.5e12, launch=3e-6)
"""A GPU's rates in tf32, to one digit."""


def program(*texts: str, weights: str = "", outputs: int = 1, **shapes: tuple[int, ...]) -> Program:
    """Definitions t0, t1, ... from their expressions; the last `outputs` are the results."""
    tensors = {name: Tensor(name, shape) for name, shape in shapes.items()}
    inputs = tuple(tensors.values())
    statements: list[Definition] = []
    for number, text in enumerate(texts):
        scope = parse_scope(text, tensors)
        tensors[f"t{number}"] = Tensor(f"t{number}", scope.extents)
        statements.append(Definition(tensors[f"t{number}"], scope, f"t{number}"))
    results = tuple(s.result for s in statements[-outputs:])
    return Program("start", inputs, tuple(statements), results, frozenset(weights.split()))


def products_of(found: Program) -> int:
    """Library products that run at inference."""
    constants = constants_of(found)
    return sum(
        isinstance(d.library, Product) for d in found.definitions if d.result.name not in constants
    )


def multiplications(found: Program) -> int:
    """Multiplications in the library products that run at inference."""
    constants = constants_of(found)
    total = 0
    for definition in found.definitions:
        if definition.library is not None and definition.result.name not in constants:
            count = 1
            for iterator in definition.scope.traversal + definition.scope.summation:
                count *= iterator.extent
            total += count
    return total


Wanted = Callable[[Program], bool]


def several(
    name: str,
    what: str,
    reference: Program,
    wanted: Wanted,
    machine: Machine = CPU,
    candidate: str = "",
) -> Row:
    """A row: the cheapest program must be `wanted`, and with `candidate` a rewrite whose name holds
    that text must have been among those that were weighed against it."""

    def run() -> Outcome:
        weighed = [text for text, _ in candidates_of(reference, machine)]
        rewritten = rewrite_program(reference, machine)
        plan, visited, generated = _planned(rewritten, machine)
        text = f"{products_of(plan)} products: {', '.join(rewritten.applied) or 'as it stands'}"
        if not any(candidate in other for other in weighed):
            text += f"; no {candidate} was weighed"
        elif candidate:
            text += f"; weighed: {', '.join(weighed)}"
        found = Derived(text, (), lambda: plan)
        return Outcome((found,), visited + len(weighed), generated, 0)

    def expected(derived: Derived) -> bool:
        return wanted(derived.program()) and "was weighed" not in derived.text

    return Row(f"{name} -> {what}", what, reference, run, run, expected, bounds=LARGE)


def _planned(rewritten: Rewritten, machine: Machine) -> tuple[Program, int, int]:
    """Every contraction of the program as its cheapest product, and the states visited."""
    found = rewritten.program
    constants = constants_of(found)
    visited = 0
    for definition in contractions_of(found, constants):
        subprogram = derive(definition, found, constants, machine, Limits(), 1)
        visited += subprogram.visited
        found = splice(found, {definition.result.name: subprogram.candidates[0].statements})
    return found, visited, visited


def rows() -> tuple[Row, ...]:
    """The issue's rows over several operators and factors."""
    return (
        several(
            "A B C",
            "the cheap order",
            program(
                "L<m:1000,p:10> S<k:10,n:1000> A[m,k] * B[k,n] * C[n,p]",
                A=(1000, 10),
                B=(10, 1000),
                C=(1000, 10),
            ),
            # (A B) C takes 2e7 multiplications, A (B C) a hundredth.
            lambda p: products_of(p) == 2 and multiplications(p) == 200_000,
        ),
        several(
            "diag(v) A B",
            "one product, fused scaling",
            program(
                "L<m:64,n:512> S<k:512> v[m] * A[m,k] * B[k,n]",
                v=(64,),
                A=(64, 512),
                B=(512, 512),
            ),
            lambda p: products_of(p) == 1 and len(p.definitions) <= 3,
        ),
        several("Inception block", "one convolution", _inception(), _one_product, GPU),
        several("Q, K, V", "one product and free slices", _attention(), _one_product, GPU),
        several(
            "conv of a sum",
            "undistributed",
            program(
                "L<n:1,c:64,h:28,w:28> X[n,c,h,w] + Y[n,c,h,w]",
                "L<n:1,f:64,h:28,w:28> S<c:64,r:3,s:3> t0[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
                weights="W",
                X=(1, 64, 28, 28),
                Y=(1, 64, 28, 28),
                W=(64, 64, 3, 3),
            ),
            _one_product,
            candidate="distribute",
        ),
        several(
            "sum of convs",
            "collected",
            program(
                "L<n:1,f:64,h:28,w:28> S<c:64,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]"
                " + Y[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
                weights="W",
                X=(1, 64, 28, 28),
                Y=(1, 64, 28, 28),
                W=(64, 64, 3, 3),
            ),
            _one_product,
            candidate="separate",
        ),
        several(
            "conv with a summed weight",
            "weights added at compile time",
            program(
                "L<n:1,f:64,h:28,w:28> S<c:64,r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]"
                " + X[n,c,h+r-1,w+s-1] * V[f,c,r,s]",
                weights="W V",
                X=(1, 64, 28, 28),
                V=(64, 64, 3, 3),
                W=(64, 64, 3, 3),
            ),
            _one_product,
            candidate="separate",
        ),
    )


def _one_product(found: Program) -> bool:
    return products_of(found) == 1


def _inception() -> Program:
    """Three 1x1 convolutions of one input, each with its activation."""
    filters = (64, 96, 16)
    texts = [
        f"L<n:1,f:{f},h:28,w:28> S<c:192> X[n,c,h,w] * W{i}[f,c]" for i, f in enumerate(filters)
    ]
    texts += [f"L<n:1,f:{f},h:28,w:28> relu(t{i}[n,f,h,w])" for i, f in enumerate(filters)]
    shapes = {f"W{i}": (f, 192) for i, f in enumerate(filters)}
    weights = " ".join(shapes)
    return program(*texts, weights=weights, outputs=3, X=(1, 192, 28, 28), **shapes)


def _attention() -> Program:
    """Queries, keys and values of one input, and what attention does with the first two."""
    texts = [f"L<t:128,f:64> S<c:512> X[t,c] * W{i}[c,f]" for i in range(3)]
    texts += [f"L<t:128,f:64> tanh(t{i}[t,f])" for i in range(3)]
    shapes = {f"W{i}": (512, 64) for i in range(3)}
    return program(*texts, weights=" ".join(shapes), outputs=3, X=(128, 512), **shapes)
