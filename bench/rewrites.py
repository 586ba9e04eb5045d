"""Correct rewrites of small programs, drawn with a seed: what the soundness benchmark starts from.

Extents are small enough for the dense oracle and larger than a cell's simplex, so that the verifier
does not test every position. Pairs come from random walks over the rules, from searches for library
operators, and from rewrites and variants of programs with nonlinear functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from random import Random

from bench.holdout import disguised
from bench.programs import GPU, program
from bench.rows import plan_program, program_of, targets
from bench.starts import Axis, Start, convolution, depthwise, g2bmm, gbmm, start, transposed
from einnet.expr.program import Program, constants_of
from einnet.operators.contraction import Match, estimate
from einnet.operators.cost import CPU
from einnet.program.interplay import candidates_of
from einnet.program.subprograms import LIBRARIES, contractions_of, derive
from einnet.program.variants import variants
from einnet.search import state as states
from einnet.search.converge import FIRST, Limits, search
from einnet.search.moves import all_moves
from einnet.search.state import State, apply

_LONGEST_WALK = 8
_VARIANTS = 8


@dataclass(frozen=True)
class Rewrite:
    """A program and one that is equal to it, if the rules are right; `source` says whence."""

    source: str
    reference: Program
    plan: Program


# Starts -----------------------------------------------------------------------------------------


def random_start(random: Random) -> Start:
    """An operator of one to three spatial dimensions, a product or a pooling."""
    return random.choices(
        (_convolution, _transposed, _depthwise, _banded, _plain), (6, 3, 1, 2, 3)
    )[0](random)


def _axes(random: Random, kind: str) -> tuple[Axis, ...]:
    rank = random.choice((1, 2, 2, 2, 3))
    longest = {1: 24, 2: 10, 3: 5}[rank]
    while True:
        axes: list[Axis] = []
        for _ in range(rank):
            kernel = random.randint(1, {1: 7, 2: 4, 3: 3}[rank])
            stride = random.choice((1, 1, 2, 3))
            padding = random.randint(0, max(kernel // 2, 1))
            if kind == "transposed":
                extent = max(longest // stride, 2)
                axes.append(Axis(extent, kernel, stride, min(padding, kernel - 1)))
            else:
                extent = random.randint(longest - 3, longest)
                dilation = random.choice((1, 1, 2))
                axes.append(Axis(extent, kernel, stride, padding * dilation, dilation))
        if all(_output(a, kind) > 0 for a in axes):
            return tuple(axes)


def _output(a: Axis, kind: str) -> int:
    if kind == "transposed":
        return (a.extent - 1) * a.stride - 2 * a.padding + a.kernel
    return (a.extent + 2 * a.padding - a.dilation * (a.kernel - 1) - 1) // a.stride + 1


def _convolution(random: Random) -> Start:
    axes = _axes(random, "convolution")
    n, c, f = (random.randint(1, 3 if len(axes) < 3 else 2) for _ in range(3))
    return convolution(n, c, f, axes, random.choice((1, 1, 2)))


def _transposed(random: Random) -> Start:
    axes = _axes(random, "transposed")
    n, c, f = (random.randint(1, 3 if len(axes) < 3 else 2) for _ in range(3))
    return transposed(n, c, f, axes)


def _depthwise(random: Random) -> Start:
    # The helper that writes it knows no dilation.
    axes = tuple(replace(a, dilation=1, padding=a.kernel // 2) for a in _axes(random, "depthwise"))
    return depthwise(random.randint(1, 2), random.randint(2, 4), axes)


def _banded(random: Random) -> Start:
    b, m, k = random.randint(1, 2), random.randint(8, 20), random.randint(2, 5)
    make = random.choice((g2bmm, gbmm))
    return make(b, m, k, random.randint(1, 3), random.randint(1, 3))


def _plain(random: Random) -> Start:
    a, b, c, d = (random.randint(4, 9) for _ in range(4))
    return random.choice(
        (
            lambda: start("L<m:9,n:8> S<k:7> A[m,k] * W[k,n]", A=(9, 7), W=(7, 8)),
            lambda: start(f"L<b:2,m:{a},n:{b}> S<k:{c}> A[b,m,k] * W[k,n]", A=(2, a, c), W=(c, b)),
            lambda: start(
                f"L<m:{a},n:{b}> S<k:{c},j:{d}> A[m,j] * B[j,k] * C[k,n]",
                A=(a, d),
                B=(d, c),
                C=(c, b),
            ),
            lambda: start(f"L<i:{a + 4},j:{a + 4}> S<k:{b}> X[i,k] * X[j,k]", X=(a + 4, b)),
            lambda: start(f"L<v:{a + b}> S<r:{c}> X[v] * X[v+r-{c // 2}]", X=(a + b,)),
            lambda: start(
                f"L<c:{a},h:{b},w:{c}> S<r:3,s:3> 1/9 * X[c,2*h+r-1,2*w+s-1]", X=(a, 2 * b, 2 * c)
            ),
        )
    )()


# Walks ------------------------------------------------------------------------------------------


def random_walk(random: Random) -> Rewrite:
    """A start and where up to eight random moves lead, refused ones not counted."""
    while True:
        begin = random_start(random)
        names = [r.source for r in begin.scope.term.reads]
        if len(set(names)) == len(names):
            begin = disguised(begin, random)
        state = states.start(begin.scope)
        if state is None or len(state.core.body) != 1:
            continue
        for _ in range(random.randint(1, _LONGEST_WALK)):
            moves = all_moves(state.core)
            if not moves:
                break
            here: State | None = state
            for step in random.choice(moves):
                here = None if here is None else apply(here, step)
            state = here or state
        reference = program_of(begin)
        (definition,) = reference.definitions
        plan = replace(reference, statements=(replace(definition, scope=state.scope),))
        return Rewrite(f"walk of {len(state.steps)} steps", reference, plan)


# Plans ------------------------------------------------------------------------------------------


def matched_plans(random: Random) -> Iterator[Rewrite]:
    """What a search finds for one start and every target: operators of a library and eOperators."""
    begin = _convolution(random) if random.random() < 0.6 else _transposed(random)
    begin = disguised(begin if random.random() < 0.8 else _banded(random), random)
    reference = program_of(begin)

    def cost(match: Match) -> float:
        return estimate(match, CPU, begin.weights)

    rank = min(max(len(t.shape) for t in begin.tensors) - 2, 3)
    for target in targets(max(rank, 1)):
        limits = random.choice((FIRST, Limits(visits=20, repaired=2, beam=2)))
        for found in search(begin.scope, cost, limits, target).found[:2]:
            yield Rewrite(
                f"plan for {target.name}", reference, plan_program(reference, found.match)
            )


def program_plans(random: Random) -> Iterator[Rewrite]:
    """Rewrites and variants of a program of several operators."""
    reference = random.choice(_PROGRAMS)(random)
    machine = random.choice((CPU, GPU))
    weighed = [Rewrite(text, reference, plan) for text, plan in candidates_of(reference, machine)]
    yield from weighed
    base = random.choice([r.plan for r in weighed] or [reference])
    constants = constants_of(base)
    libraries = LIBRARIES[random.choice(("cpu", "cuda"))]
    subprograms = [
        derive(d, base, constants, machine, FIRST, 2, libraries=libraries)
        for d in contractions_of(base, constants)
    ]
    for variant in variants(base, subprograms, _VARIANTS):
        yield Rewrite(f"variant: {variant.name}", reference, variant.program)


def _network(random: Random) -> Program:
    """Two convolutions with biases and activations, and what skips the second."""
    n, c, f, size = random.randint(1, 2), random.randint(1, 3), 3, random.randint(6, 9)
    function = random.choice(("relu", "tanh", "sigmoid"))
    box = f"n:{n},f:{f},h:{size},w:{size}"
    return program(
        f"L<{box}> S<c:{c},r:3,s:3> X[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
        f"L<{box}> {function}(t0[n,f,h,w] + b[f])",
        f"L<{box}> S<c:{f}> t1[n,c,h,w] * V[f,c]",
        f"L<{box}> maximum(t2[n,f,h,w] + t1[n,f,h,w], 0)",
        weights="W V b",
        X=(n, c, size, size),
        W=(f, c, 3, 3),
        V=(f, f),
        b=(f,),
    )


def _generator(random: Random) -> Program:
    """A transposed convolution with a folded scale and an activation, then a convolution."""
    c, f, size = random.randint(2, 3), random.randint(2, 3), random.randint(3, 5)
    box = f"n:2,f:{f},h:{2 * size},w:{2 * size}"
    return program(
        f"L<{box}> S<c:{c},r:4,s:4> X[n,c,(h+1-r) div 2,(w+1-s) div 2] * W[c,f,r,s]"
        " * [(h+1-r) mod 2 = 0] * [(w+1-s) mod 2 = 0]",
        f"L<{box}> relu(t0[n,f,h,w]*g[f] + b[f])",
        f"L<n:2,f:1,h:{2 * size},w:{2 * size}> S<c:{f},r:3,s:3> t1[n,c,h+r-1,w+s-1] * V[f,c,r,s]",
        f"L<n:2,f:1,h:{2 * size},w:{2 * size}> tanh(t2[n,f,h,w])",
        weights="W V g b",
        X=(2, c, size, size),
        W=(c, f, 4, 4),
        V=(1, f, 3, 3),
        g=(f,),
        b=(f,),
    )


def _inception(random: Random) -> Program:
    """Convolutions of one input with an activation each."""
    filters = [random.randint(1, 4) for _ in range(random.randint(2, 3))]
    size = random.randint(6, 10)
    texts = [
        f"L<n:2,f:{f},h:{size},w:{size}> S<c:4> X[n,c,h,w] * W{i}[f,c]"
        for i, f in enumerate(filters)
    ]
    texts += [f"L<n:2,f:{f},h:{size},w:{size}> relu(t{i}[n,f,h,w])" for i, f in enumerate(filters)]
    shapes = {f"W{i}": (f, 4) for i, f in enumerate(filters)}
    weights, number = " ".join(shapes), len(filters)
    return program(*texts, weights=weights, outputs=number, X=(2, 4, size, size), **shapes)


def _attention(random: Random) -> Program:
    """Queries, keys and values of one input, and their products."""
    t, f, c = random.randint(5, 9), random.randint(2, 4), random.randint(2, 5)
    projections = [f"L<t:{t},f:{f}> S<c:{c}> X[t,c] * W{i}[c,f]" for i in range(3)]
    return program(
        *projections,
        f"L<t:{t},u:{t}> S<f:{f}> 1/2 * t0[t,f] * t1[u,f]",
        f"L<t:{t},u:{t}> exp(t3[t,u])",
        f"L<t:{t},f:{f}> S<u:{t}> t4[t,u] * t2[u,f]",
        weights="W0 W1 W2",
        outputs=1,
        X=(t, c),
        **{f"W{i}": (c, f) for i in range(3)},
    )


def _sum_of_products(random: Random) -> Program:
    """A convolution of a sum, and sums of convolutions."""
    c, size = random.randint(2, 3), random.randint(6, 9)
    box = f"n:1,f:3,h:{size},w:{size}"
    first, second = random.choice((("X", "W"), ("Y", "W"), ("X", "V"))), ("Y", "V")
    texts = {
        "of a sum": (
            f"L<n:1,c:{c},h:{size},w:{size}> X[n,c,h,w] + Y[n,c,h,w]",
            f"L<{box}> S<c:{c},r:3,s:3> t0[n,c,h+r-1,w+s-1] * W[f,c,r,s]",
        ),
        "sum of": (
            f"L<{box}> S<c:{c},r:3,s:3> {first[0]}[n,c,h+r-1,w+s-1] * {first[1]}[f,c,r,s]"
            f" + {second[0]}[n,c,h+r-1,w+s-1] * {second[1]}[f,c,r,s]",
        ),
    }[random.choice(("of a sum", "sum of"))]
    shape, kernel = (1, c, size, size), (3, c, 3, 3)
    return program(*texts, weights="W V", X=shape, Y=shape, W=kernel, V=kernel)


def _chain(random: Random) -> Program:
    """A product of three matrices with a scale of the rows."""
    a, b, c, d = (random.randint(3, 9) for _ in range(4))
    return program(
        f"L<m:{a},p:{d}> S<k:{b},n:{c}> v[m] * A[m,k] * B[k,n] * C[n,p]",
        v=(a,),
        A=(a, b),
        B=(b, c),
        C=(c, d),
    )


_PROGRAMS: tuple[Callable[[Random], Program], ...] = (
    _network,
    _generator,
    _inception,
    _attention,
    _sum_of_products,
    _chain,
)


def random_plans(seed: int) -> Iterator[Rewrite]:
    """Plans without end, of searches and of programs in turn."""
    random = Random(f"plans:{seed}")
    while True:
        yield from matched_plans(random)
        yield from program_plans(random)


def pool(seed: int, number: int) -> tuple[Rewrite, ...]:
    """The first plans of a seed."""
    return tuple(islice(random_plans(seed), number))
