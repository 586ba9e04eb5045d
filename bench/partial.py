"""PET's cases: partially equivalent mutants, each found by the generator, corrected and proved.

    python -m bench.partial                the table
    python -m bench.partial --row tiles    cases whose name holds a text
    python -m bench.partial --json FILE    also write it as JSON
    python -m bench.partial --check        exit 1 and name what is not found or not equal

A case says what the operator of a mutant has to look like, never how to get there. Seconds are CPU
seconds of this process; estimates are those of `operators/cost.py` for one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import prod

from bench.command import Parser, output_file, written
from einnet.corrections.recompute import program_of
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Product, Window, Windowed
from einnet.expr.text import parse_scope
from einnet.mutations.generate import Candidate, Found, Options, explore, judge
from einnet.operators.cost import CPU
from einnet.toolchain.doctor import environment

OPTIONS = Options()


@dataclass(frozen=True)
class Operator:
    """The one library operator of a mutant: elements of its groups, of its batch, positions along
    each window, taps, and the widest extent of its first operand along them."""

    groups: int
    batch: int
    filters: int
    channels: int
    space: tuple[int, ...]
    taps: tuple[int, ...]
    dense: bool
    image: tuple[int, ...]


def operator_of(found: Found) -> Operator | None:
    """The operator of the mutant's plan; None if it is not exactly one."""
    definitions = [
        s for s in found.statements if isinstance(s, Definition) and s.library is not None
    ]
    if len(definitions) != 1:
        return None
    (definition,) = definitions
    scope, library = definition.scope, definition.library
    extents = {i.name: i.extent for i in scope.traversal + scope.summation}
    assert isinstance(library, Product | Windowed)
    groups, m, n, k = (
        prod(extents[name] for name in row)
        for row in (library.batch, library.m, library.n, library.k)
    )
    windows: tuple[Window, ...] = library.windows if isinstance(library, Windowed) else ()
    return Operator(
        groups,
        m,
        n,
        k,
        tuple(extents[w.x] for w in windows),
        tuple(extents[w.y] for w in windows),
        all((w.stride, w.dilation) == (1, 1) for w in windows),
        scope.term.reads[0].source.shape if isinstance(scope.term.reads[0].source, Tensor) else (),
    )


@dataclass(frozen=True)
class Case:
    """Definitions, what is wanted of the operator, and whether the mutant needs no correction."""

    name: str
    definitions: tuple[Definition, ...]
    wanted: Callable[[Operator], bool]
    whole: bool


def convolution(
    batch: int,
    channels: int,
    filters: int,
    size: int,
    kernel: int,
    dilation: int = 1,
    dtype: str = "f32",
    name: str = "Y",
) -> Definition:
    """A square convolution of stride 1 that keeps the size of its image."""
    pad = dilation * (kernel - 1) // 2
    weights = f"W{name.removeprefix('Y')}"
    tensors = {
        "X": Tensor("X", (batch, channels, size, size), dtype),
        weights: Tensor(weights, (filters, channels, kernel, kernel), dtype),
    }
    text = (
        f"L<n:{batch},f:{filters},h:{size},w:{size}> S<c:{channels},r:{kernel},s:{kernel}>"
        f" X[n,c,h+{dilation}*r-{pad},w+{dilation}*s-{pad}] * {weights}[f,c,r,s]"
    )
    scope = parse_scope(text, tensors)
    return Definition(Tensor(name, scope.extents, dtype), scope, "conv")


def product(number: int) -> Definition:
    """One of several products of 512x768 by 768x768."""
    tensors = {f"A{number}": Tensor(f"A{number}", (512, 768)), "B": Tensor("B", (768, 768))}
    tensors = {**tensors, f"W{number}": Tensor(f"W{number}", (768, 768))}
    scope = parse_scope(f"L<m:512,n:768> S<k:768> A{number}[m,k] * W{number}[k,n]", tensors)
    return Definition(Tensor(f"Y{number}", (512, 768)), scope, "matmul")


def cases() -> tuple[Case, ...]:
    """PET's examples (OSDI 2021, sections 2, 4 and 8), at its shapes."""
    tiled = (convolution(1, 48, 48, 38, 5, dtype="f64"),)
    pair, four = (convolution(2, 64, 64, 28, 3),), (convolution(4, 64, 64, 28, 3),)
    dilated = (convolution(1, 512, 256, 14, 3, dilation=2),)
    parallel = tuple(
        convolution(1, 768, f, 18, 1, name=f"Y{n}") for n, f in enumerate((192, 192, 160, 160))
    )
    products = tuple(product(n) for n in range(3))

    def tiles(operator: Operator, extent: int) -> bool:
        sizes = operator.batch, operator.space, operator.image.count(extent)
        return sizes == (16, (10, 10), 2)

    def row(operator: Operator, width: int) -> bool:
        return operator.batch == 1 and sorted(operator.space) == sorted((28, width))

    return (
        Case("16 tiles 10x10 without halo", tiled, lambda o: tiles(o, 10), False),
        Case("16 tiles 10x10 with halo", tiled, lambda o: tiles(o, 14), True),
        Case("2 images side by side", pair, lambda o: row(o, 56), False),
        Case("2 images, a gap between", pair, lambda o: row(o, 57), True),
        Case("4 images side by side", four, lambda o: row(o, 112), False),
        Case("4 images, gaps between", four, lambda o: row(o, 115), True),
        Case(
            "dilated as one dense image",
            dilated,
            lambda o: o.dense and o.batch == 1 and o.space == (14, 14) and o.taps == (3, 3),
            False,
        ),
        Case(
            "dilated as a dense batch",
            dilated,
            lambda o: o.dense and o.batch == 4 and o.space == (7, 7) and o.taps == (3, 3),
            True,
        ),
        Case(
            "4 convolutions as grouped",
            parallel,
            lambda o: o.groups == 4 and o.filters == 192,
            True,
        ),
        Case("4 convolutions as one", parallel, lambda o: o.filters == 704, True),
        Case(
            "3 products as a batch",
            products,
            lambda o: o.groups == 3 and (o.batch, o.filters, o.channels) == (512, 768, 768),
            True,
        ),
    )


@dataclass(frozen=True)
class Outcome:
    """What one case came to; `short` is what is wrong, in words."""

    name: str
    states: int
    cells: int
    share: float
    boxes: int
    original: float
    mutant: float
    corrected: float
    sharing: float | None
    find_seconds: float
    judge_seconds: float
    steps: tuple[str, ...]
    short: tuple[str, ...]


def run(case: Case) -> Outcome:
    """Search for what the case wants, and judge it."""
    program = program_of(case.definitions, *(d.result for d in case.definitions))
    constants = frozenset(t.name for t in program.inputs if t.name.startswith("W"))
    begin = time.process_time()
    states = 0
    for found in explore(case.definitions, program, constants, OPTIONS, CPU):
        states = found.number
        operator = operator_of(found)
        whole = len(found.originals) == len(case.definitions)
        if whole and operator is not None and case.wanted(operator):
            break
    else:
        found = None
    middle = time.process_time()
    candidate = None if found is None else judge(found, program, constants, CPU)
    times = (middle - begin, time.process_time() - middle)
    if candidate is None:
        short = ("not found" if found is None else "not decided, or all of it corrected",)
        return Outcome(case.name, states, 0, 0.0, 0, 0.0, 0.0, 0.0, None, *times, (), short)
    return _outcome(case, candidate, times)


def _outcome(case: Case, candidate: Candidate, times: tuple[float, float]) -> Outcome:
    boxes = sum(map(len, candidate.boxes.values()))
    short = [
        "a correction where none is wanted" if case.whole and boxes else "",
        "equal without a correction" if not case.whole and not boxes else "",
    ]
    found = candidate.found
    return Outcome(
        case.name,
        found.number,
        candidate.failing.cells,
        candidate.share,
        boxes,
        candidate.original,
        found.estimate,
        candidate.estimate,
        candidate.sharing,
        *times,
        tuple(map(str, found.steps)),
        tuple(filter(None, short)),
    )


def show(outcomes: Sequence[Outcome]) -> str:
    """The table as text; estimates are in milliseconds."""
    head = (
        f"{'case':30} {'states':>6} {'cells':>5} {'failing':>7} {'boxes':>5} {'original':>9}"
        f" {'mutant':>9} {'corrected':>9} {'sharing':>9} {'find s':>7} {'judge s':>7}"
    )
    return "\n".join([head, *map(_line, outcomes)])


def _line(o: Outcome) -> str:
    sharing = "-" if o.sharing is None else f"{o.sharing * 1e3:.3f}"
    return (
        f"{o.name:30} {o.states:6} {o.cells:5} {o.share:7.1%} {o.boxes:5}"
        f" {o.original * 1e3:9.3f} {o.mutant * 1e3:9.3f} {o.corrected * 1e3:9.3f} {sharing:>9}"
        f" {o.find_seconds:7.2f} {o.judge_seconds:7.2f}"
        + (f"  {'; '.join(o.short)}" if o.short else "")
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = Parser("bench.partial", __doc__)
    parser.add_argument("--row", default="", help="only cases whose name holds this text")
    parser.add_argument("--check", action="store_true", help="exit 1 if a case falls short")
    parser.add_argument(
        "--json", type=output_file, metavar="FILE", help="also write the outcomes there"
    )
    given = parser.parse_args(arguments)
    parser.require(given.row, [case.name for case in cases()], "case")
    chosen = [case for case in cases() if given.row in case.name]
    outcomes = [run(case) for case in chosen]
    print(show(outcomes))
    figures = {"environment": environment(), "figures": [asdict(o) for o in outcomes]}
    if not written(given.json, figures):
        return 1
    missed = [f"{o.name}: {'; '.join(o.short)}" for o in outcomes if o.short]
    for line in missed if given.check else ():
        print(line, file=sys.stderr)
    return 1 if given.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
