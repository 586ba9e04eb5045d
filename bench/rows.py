"""The rows of the search benchmark: what has to be derived from what, and within which limits.

A row is a name, the program that is searched, two callables that search it (for the first match
and for the cheapest), and a predicate that recognises what has to be found. `contraction` makes a
row of one product of two tensors; rows of several operators or factors make their own `Outcome`s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from bench.starts import Axis, Start, convolution, depthwise, g2bmm, gbmm, transposed
from einnet.expr.index import bounds
from einnet.expr.nodes import Tensor, box_of
from einnet.expr.program import Definition, Program, Windowed, names_of
from einnet.operators import contraction as contractions
from einnet.operators.banded import G2BMM, GBMM
from einnet.operators.contraction import Match
from einnet.operators.convolution import (
    any_convolution,
    library_convolution,
    transposed_convolution,
)
from einnet.operators.convolution import convolution as fixed_convolution
from einnet.operators.cost import CPU
from einnet.operators.product import PRODUCT
from einnet.operators.target import Target
from einnet.rules.rewrite import Step
from einnet.search.blind import BLIND, search_blindly
from einnet.search.converge import FIRST, Limits, Result, search


@dataclass(frozen=True)
class Derived:
    """One thing that a search found.

    `outer` and `kernel` are the extents of the outer sums and of the windows, sorted; `sizes` are
    batch, m, n and k of the library operator; `program` makes the plan to be verified.
    """

    text: str
    steps: tuple[Step, ...]
    program: Callable[[], Program]
    outer: tuple[int, ...] = ()
    kernel: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a search found, cheapest first, and how many states it took."""

    found: tuple[Derived, ...]
    visited: int
    generated: int
    duplicates: int


@dataclass(frozen=True)
class Bounds:
    """States visited and CPU seconds that a row may take."""

    first_visited: int = 50
    first_seconds: float = 0.1
    visited: int = 1000
    seconds: float = 0.5
    given_up: float = 0.3


LARGE = Bounds(seconds=1.5)
"""For three spatial dimensions, and for several operators."""

Predicate = Callable[[Derived], bool]


@dataclass(frozen=True)
class Sizes:
    """The sizes that may change while a derivation stays valid."""

    batch: int
    channels: int
    filters: int
    spatial: tuple[int, ...]


@dataclass(frozen=True)
class Operator:
    """A family of starts: kernel, stride, padding, dilation and groups are fixed.

    `largest` is the spatial size from which on the starts have another structure, 0 for none.
    """

    name: str
    build: Callable[[Sizes], Start]
    sizes: Sizes
    kernel: int
    largest: int = 0

    @property
    def rank(self) -> int:
        return len(self.sizes.spatial)

    @property
    def start(self) -> Start:
        return self.build(self.sizes)

    def others(self, number: int, seed: int) -> list[Start]:
        """Starts of other sizes: small and odd ones, up to twice the original, and the first few
        smaller than the kernel."""
        random = Random(seed)
        starts: list[Start] = []
        while len(starts) < number:
            starts.append(self._other(random, small=len(starts) < number // 4))
        return starts

    def _other(self, random: Random, *, small: bool) -> Start:
        def spatial(extent: int) -> int:
            largest = random.choice((40, 2 * extent))
            if small:
                largest = self.kernel
            return random.randint(1, min(largest, self.largest or largest))

        batch, channels, filters = (random.randint(1, limit) for limit in (20, 70, 70))
        return self.build(Sizes(batch, channels, filters, tuple(map(spatial, self.sizes.spatial))))


@dataclass(frozen=True)
class Row:
    """`expected` recognises what must be found; None says that the target is out of reach.

    `first`, `cheapest` and `blind` search. `operator` and `target` are there for rows of one
    product of two tensors; `materialise` says that operands may be stored several times over.
    `published` are EinNet's seconds and states in C++.
    """

    name: str
    what: str
    reference: Program
    first: Callable[[], Outcome]
    cheapest: Callable[[], Outcome]
    expected: Predicate | None
    blind: Callable[[], Outcome] | None = None
    bounds: Bounds = Bounds()
    published: str = ""
    operator: Operator | None = None
    target: Target | None = None
    materialise: bool = False


def program_of(start: Start) -> Program:
    """A start as a program of one definition."""
    result = Tensor("out", start.scope.extents)
    definition = Definition(result, start.scope)
    used = start.weights & {t.name for t in start.tensors}
    return Program("start", start.tensors, (definition,), (result,), used)


def plan_program(reference: Program, match: Match) -> Program:
    """The reference with the plan of a match in the place of its only definition."""
    (result,) = reference.outputs
    statements = contractions.plan(match, result, names_of(reference))
    return replace(reference, statements=statements)


def outcome(result: Result, reference: Program) -> Outcome:
    """A search's result as a row reports it."""

    def derived(match: Match, steps: tuple[Step, ...]) -> Derived:
        extents = match.extents
        outer = tuple(sorted(i.extent for i in match.scope.summation))
        text = contractions.describe(match)
        if outer:
            text += f", sum over {'x'.join(map(str, outer))}"
        return Derived(
            text,
            steps,
            lambda: plan_program(reference, match),
            outer,
            tuple(sorted(extents[w.y] for w in match.windows)),
            contractions.shape(match)[:4],
        )

    found = tuple(derived(f.match, f.state.steps) for f in result.found)
    return Outcome(found, result.visited, result.generated, result.duplicates)


def contraction(
    operator: Operator,
    target: Target,
    what: str,
    expected: Predicate | None,
    *,
    limits: Limits | None = None,
    first: Limits = FIRST,
    bounds: Bounds | None = None,
    published: str = "",
) -> Row:
    """A row of one product of two tensors: `operator` has to become `target`."""
    start = operator.start
    reference = program_of(start)

    def cost(match: Match) -> float:
        return contractions.estimate(match, CPU, start.weights)

    def run(limits: Limits | None) -> Outcome:
        return outcome(search(start.scope, cost, limits, target), reference)

    def blind() -> Outcome:
        return outcome(search_blindly(start.scope, cost, BLIND, target), reference)

    materialise = limits is not None and limits.blow_up > 1
    return Row(
        f"{operator.name} -> {what}",
        what,
        reference,
        lambda: run(first),
        lambda: run(limits),
        expected,
        # Blind search knows no materialised operand: it would look for something else.
        None if materialise else blind,
        bounds or (LARGE if operator.rank > 2 else Bounds()),
        published,
        operator,
        target,
        materialise=materialise,
    )


def targets(rank: int) -> tuple[Target, ...]:
    """Every target operator that a start with `rank` spatial dimensions is tried on."""
    return (
        PRODUCT,
        any_convolution(rank),
        any_convolution(rank, groups=True),
        library_convolution(rank),
        transposed_convolution(rank),
        fixed_convolution(*(3,) * rank),
        G2BMM,
        GBMM,
    )


def _form(
    *,
    outer: tuple[int, ...] | None = None,
    kernel: tuple[int, ...] | None = None,
    windows: int | None = None,
    sizes: dict[str, int] | None = None,
) -> Predicate:
    """What is found has these outer sums, this kernel, so many windows, these sizes."""

    def holds(derived: Derived) -> bool:
        found = dict(zip("bmnk", derived.sizes, strict=True))
        return (
            (outer is None or derived.outer == outer)
            and (kernel is None or derived.kernel == kernel)
            and (windows is None or len(derived.kernel) == windows)
            and all(found[row] == size for row, size in (sizes or {}).items())
        )

    return holds


def _padded(before: int, after: int) -> Predicate:
    """The operator itself pads its first operand so much on each of its windows."""

    def holds(derived: Derived) -> bool:
        found: list[tuple[int, int]] = []
        for definition in derived.program().definitions:
            if isinstance(definition.library, Windowed):
                scope = definition.scope
                read = scope.term.reads[0]
                for index, (_, end) in zip(read.index, box_of(read.source), strict=True):
                    lo, hi = bounds(index, scope.ranges)
                    if len(index.terms) > 1:
                        found.append((-lo, hi + 1 - end))
        return bool(found) and set(found) == {(before, after)}

    return holds


def _blocks() -> Predicate:
    """A 4x4 convolution of 12 channels, blocks of 2x2 of 3."""
    return _form(outer=(), kernel=(4, 4), sizes={"k": 12})


def _both(*predicates: Predicate) -> Predicate:
    return lambda derived: all(p(derived) for p in predicates)


def _convolution(name: str, sizes: Sizes, kernel: tuple[int, ...], **options: int) -> Operator:
    groups = options.pop("groups", 1)
    paddings = tuple(k // 2 for k in kernel)

    def build(sizes: Sizes) -> Start:
        axes = tuple(
            Axis(extent, k, **{"padding": p, **options})
            for extent, k, p in zip(sizes.spatial, kernel, paddings, strict=True)
        )
        return convolution(sizes.batch, sizes.channels, sizes.filters, axes, groups)

    return Operator(name, build, sizes, max(kernel))


def _transposed(name: str, sizes: Sizes, kernel: int, **options: int) -> Operator:
    def build(sizes: Sizes) -> Start:
        axes = tuple(Axis(extent, kernel, **options) for extent in sizes.spatial)
        return transposed(sizes.batch, sizes.channels, sizes.filters, axes)

    return Operator(name, build, sizes, kernel)


def _banded(
    name: str, make: Callable[[int, int, int, int, int], Start], k: int, width: int
) -> Operator:
    def build(sizes: Sizes) -> Start:
        return make(sizes.batch, sizes.spatial[0], sizes.channels, width, 4)

    return Operator(name, build, Sizes(8, k, 0, (10000,)), min(2 * width + 1, 200))


def _depthwise(sizes: Sizes) -> Start:
    axes = tuple(Axis(extent, 3, padding=1) for extent in sizes.spatial)
    return depthwise(sizes.batch, sizes.channels, axes)


def _dilated(extent: int, dilation: int) -> Operator:
    operator = _convolution(
        f"conv 3x3 d{dilation} at {extent}x{extent}",
        Sizes(16, 512, 512, (extent, extent)),
        (3, 3),
        padding=dilation,
        dilation=dilation,
    )
    # Where the outer taps read nothing but padding, one tap is left on each axis.
    return replace(operator, largest=dilation) if extent <= dilation else operator


CONV3 = _convolution("conv 3x3", Sizes(1, 512, 512, (7, 7)), (3, 3))
CONV5 = _convolution("conv 5x5", Sizes(16, 32, 1, (224, 224)), (5, 5))
CONV7X1 = _convolution("conv 7x1", Sizes(1, 2048, 21, (7, 7)), (7, 1))
CONV1X7 = _convolution("conv 1x7", Sizes(16, 256, 21, (56, 56)), (1, 7))
CONV7 = _convolution("conv 7x7 s2", Sizes(1, 3, 64, (224, 224)), (7, 7), stride=2)
FIRST_LAYER = _convolution("conv 3x3 c3", Sizes(1, 3, 64, (224, 224)), (3, 3))
GROUPED = _convolution("grouped conv 3x3", Sizes(16, 32, 32, (28, 28)), (3, 3), groups=4)
DEPTHWISE = Operator("depthwise conv 3x3", _depthwise, Sizes(16, 32, 0, (28, 28)), 3)
CONVT4 = _transposed("convT 4x4 s2", Sizes(16, 448, 256, (2, 2)), 4, stride=2, padding=1)
CONVT9 = _transposed(
    "convT 9x9 s4", Sizes(16, 56, 1, (56, 56)), 9, stride=4, padding=3, output_padding=1
)
CONVT16 = _transposed("convT k16 s8", Sizes(16, 512, 256, (64,)), 16, stride=8, padding=4)
CONVT3D = _transposed("convT 4x4x4 s2", Sizes(2, 64, 32, (8, 8, 8)), 4, stride=2, padding=1)
G2BMM32 = _banded("g2bmm W32 d4", g2bmm, 512, 32)
G2BMM1000 = _banded("g2bmm W1000 d4", g2bmm, 64, 1000)
GBMM1000 = _banded("gbmm W1000 d4", gbmm, 64, 1000)

_MATERIALISED = Limits(blow_up=16)


def rows() -> tuple[Row, ...]:
    """The issue's table, as far as it is about one product of two tensors."""
    product = _form(windows=0)
    band4 = {"b": 32, "m": 1, "n": 1}
    return (
        contraction(
            CONV3,
            PRODUCT,
            "product",
            _both(product, _form(outer=(3, 3))),
            published="0.096 s, 158 k",
        ),
        contraction(
            CONVT4,
            PRODUCT,
            "product",
            _form(outer=(2, 2), sizes={"k": 448}),
            published="11.3 s, 0.9 M",
        ),
        contraction(
            CONVT4, any_convolution(2), "phase form", _form(outer=(), kernel=(2, 2), windows=2)
        ),
        contraction(
            CONV5,
            fixed_convolution(3, 3),
            "conv 3x3, 4 filters",
            _form(kernel=(3, 3), sizes={"n": 4}),
            published="101 s, 2.2 M",
        ),
        contraction(CONV5, PRODUCT, "product", _form(outer=(5, 5), sizes={"k": 32})),
        contraction(
            G2BMM32,
            G2BMM,
            "dilation 1",
            _form(outer=(), kernel=(65,), sizes=band4),
            published="0.024 s, 18 k",
        ),
        contraction(G2BMM1000, G2BMM, "dilation 1", _form(outer=(), kernel=(2001,), sizes=band4)),
        contraction(
            GBMM1000, GBMM, "dilation 1", _form(outer=(), kernel=(2001,), sizes={"b": 32, "n": 64})
        ),
        *(
            contraction(
                _dilated(extent, dilation),
                any_convolution(2),
                "dense conv",
                _form(outer=(), kernel=(3, 3)),
            )
            for dilation, extent in ((2, 14), (3, 28), (6, 28), (18, 56))
        ),
        contraction(
            _dilated(14, 18), PRODUCT, "one tap", _form(outer=(), sizes={"k": 512}, windows=0)
        ),
        contraction(CONV7X1, PRODUCT, "product", _form(outer=(7,), sizes={"k": 2048})),
        contraction(CONV1X7, PRODUCT, "product", _form(outer=(7,), sizes={"k": 256})),
        contraction(CONV7, any_convolution(2), "stride 1 on blocks", _blocks()),
        contraction(
            CONV7,
            any_convolution(2),
            "padding 2 and 1",
            _both(_blocks(), _padded(2, 1)),
            # Blocks at any phase are as near; the search has to weigh them all.
            first=Limits(),
        ),
        contraction(CONVT9, PRODUCT, "product", _form(outer=(3, 3), sizes={"k": 56})),
        contraction(CONVT9, any_convolution(2), "phase form", _form(outer=(), kernel=(3, 3))),
        contraction(CONVT16, PRODUCT, "product", _form(outer=(2,), sizes={"k": 512})),
        contraction(CONVT16, any_convolution(1), "phase form", _form(outer=(), kernel=(2,))),
        contraction(CONVT3D, PRODUCT, "product", _form(outer=(2, 2, 2), sizes={"k": 64})),
        contraction(CONVT3D, any_convolution(3), "phase form", _form(outer=(), kernel=(2, 2, 2))),
        contraction(GROUPED, PRODUCT, "batched product", _form(outer=(3, 3), sizes={"b": 4})),
        contraction(
            DEPTHWISE,
            any_convolution(2, groups=True),
            "dense grouped conv",
            _form(outer=(), kernel=(3, 3)),
        ),
        contraction(DEPTHWISE, PRODUCT, "product", None),
        contraction(GBMM1000, PRODUCT, "product", None),
        contraction(
            FIRST_LAYER,
            PRODUCT,
            "im2col and one product",
            _form(outer=(), sizes={"k": 27}),
            limits=_MATERIALISED,
            first=_MATERIALISED,
        ),
        contraction(
            FIRST_LAYER,
            PRODUCT,
            "im2col along one axis",
            _form(outer=(3,), sizes={"k": 9}),
            limits=_MATERIALISED,
            first=_MATERIALISED,
        ),
    )
