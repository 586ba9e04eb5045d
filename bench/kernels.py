"""Generated kernels on a GPU, by size: their bandwidth beside that of a copy between buffers.

    python -m bench.kernels --device cuda             copies, transpositions, offset-adds, 1..256 MB
    python -m bench.kernels --rows offset-add         rows whose names hold a text
    python -m bench.kernels --check                   exit 1 and name what falls short

Bytes are those that must be moved: each operand read once, the result written once. The copy moves
as many, half of them reads, by the driver's own copy in a CUDA graph. Sizes are those of the
largest operand, in units of 2^20 bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.contender import TOLERANCE, Built, Error, Ours, Workload
from bench.operators import DTYPES
from bench.roofline import ELEMENT, ELEMENT_BYTES, H100
from bench.rows_cuda import Contest, Setting, device_facts, run_contest, say
from bench.table_cuda import Table, main
from bench.verdict import Row, Timed, Verdict, fastest, judge_kernels, ratio
from einnet.expr.interpreter import Float64, evaluate_at
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Program
from einnet.expr.text import parse_scope
from einnet.runtime.cuda.device import Device, Memory, open_device
from einnet.runtime.cuda.exclusive import alone
from einnet.runtime.cuda.timing import RUNS, time_programs
from einnet.runtime.cuda.timing import Contender as Replays

Kind = Literal["copy", "transpose", "offset-add"]

MEGABYTES = (1, 4, 16, 64, 256)
POSITIONS = 20_000
"""Elements of a result that are compared with the reference: at random, and both ends."""


@dataclass(frozen=True)
class Kernel:
    """An eOperator by size: `expression` and `shapes` for n units; `weights` are constants."""

    name: str
    kind: Kind
    expression: Callable[[int], str]
    shapes: Callable[[int], dict[str, tuple[int, ...]]]
    weights: frozenset[str] = frozenset()

    def units(self, megabytes: float, precision: str) -> int:
        """How many units make the largest operand about that large; at least 1."""
        one = max(prod(shape) for shape in self.shapes(1).values()) * ELEMENT_BYTES[precision]
        return max(1, round(megabytes * 2**20 / one))

    def program(self, units: int, precision: str) -> Program:
        dtype = ELEMENT[precision]
        tensors = {n: Tensor(n, shape, dtype) for n, shape in self.shapes(units).items()}
        scope = parse_scope(self.expression(units), tensors)
        result = Tensor("Y", scope.extents, dtype)
        inputs = tuple(tensors.values())
        return Program(self.name, inputs, (Definition(result, scope),), (result,), self.weights)


# A unit of the four-dimensional ones is an image; 56x56 has borders, and no power of two.
KERNELS: tuple[Kernel, ...] = (
    Kernel(
        "copy",
        "copy",
        lambda n: f"L<i:{n * 4096}> X[i]",
        lambda n: {"X": (n * 4096,)},
    ),
    Kernel(
        "bias+relu nhwc",
        "copy",
        lambda n: f"L<n:{n},h:56,w:56,f:64> relu(X[n,h,w,f] + B[f])",
        lambda n: {"X": (n, 56, 56, 64), "B": (64,)},
        frozenset({"B"}),
    ),
    Kernel(
        "pad nhwc",
        "copy",
        lambda n: f"L<n:{n},h:58,w:58,c:64> X[n,h-1,w-1,c]",
        lambda n: {"X": (n, 56, 56, 64)},
    ),
    Kernel(
        "nchw to nhwc",
        "transpose",
        lambda n: f"L<n:{n},h:56,w:56,c:64> X[n,c,h,w]",
        lambda n: {"X": (n, 64, 56, 56)},
    ),
    Kernel(
        "nhwc to nchw",
        "transpose",
        lambda n: f"L<n:{n},c:64,h:56,w:56> X[n,h,w,c]",
        lambda n: {"X": (n, 56, 56, 64)},
    ),
    Kernel(
        "matrix",
        "transpose",
        lambda n: f"L<i:512,j:{n * 64}> X[j,i]",
        lambda n: {"X": (n * 64, 512)},
    ),
    Kernel(
        "conv3x3 nhwc",
        "offset-add",
        lambda n: f"L<n:{n},h:14,w:14,f:128> S<r:3,s:3> T[n,h+r-1,w+s-1,r,s,f]",
        lambda n: {"T": (n, 14, 14, 3, 3, 128)},
    ),
    Kernel(
        "convT4x4s2 nhwc",
        "offset-add",
        lambda n: (
            f"L<n:{n},h:16,w:16,f:128> S<r:4,s:4> T[n,(h+1-r) div 2,(w+1-s) div 2,r,s,f]"
            " * [(h+1-r) mod 2 = 0] * [(w+1-s) mod 2 = 0]"
        ),
        lambda n: {"T": (n, 8, 8, 4, 4, 128)},
    ),
    Kernel(
        "conv5x5 f1",
        "offset-add",
        lambda n: f"L<n:{n},h:56,w:56> S<r:5,s:5> T[n,h+r-2,w+s-2,r,s]",
        lambda n: {"T": (n, 56, 56, 5, 5)},
    ),
)

LAUNCH = "launch"
NOTHING = Kernel(LAUNCH, "copy", lambda n: f"L<i:{n}> X[i]", lambda n: {"X": (n,)})
"""A kernel of one element: what a launch takes."""

_ROWS = {
    f"{kernel.kind}: {kernel.name} {megabytes} MB": (kernel, megabytes)
    for kernel in KERNELS
    for megabytes in MEGABYTES
}


def bytes_of(program: Program) -> int:
    """Every input read once, the output written once."""
    bytes_ = {"f32": 4, "f16": 2, "bf16": 2}
    return sum(prod(t.shape) * bytes_[t.dtype] for t in (*program.inputs, *program.outputs))


def blank(name: str, precision: str) -> Row:
    kernel, megabytes = _ROWS[name]
    program = kernel.program(kernel.units(megabytes, precision), precision)
    floor = 1e6 * bytes_of(program) / H100.bandwidth
    tolerance = TOLERANCE[precision]
    return Row(kernel.kind, name, precision, megabytes >= 64, None, floor, tolerance, ())


@dataclass(frozen=True)
class DeviceCopy:
    """The driver's copy between two buffers, which reads half of the bytes and writes half."""

    device: Device
    source: Memory
    target: Memory
    name: str = "copy"

    def capture(self, stream: int) -> Replays:
        def copies(runs: int) -> Callable[[], None]:
            def enqueue() -> None:
                for _ in range(runs):
                    self.device.copy(
                        self.target.address, self.source.address, self.source.bytes, own
                    )

            own = self.device.make_stream()
            graph = self.device.capture(own, enqueue)
            return lambda: graph.launch(stream)

        return Replays(copies(RUNS), copies(1))

    def output(self) -> NDArray[Any]:
        return np.zeros(0)


def workload(kernel: Kernel, units: int, precision: str, seed: int) -> Workload:
    program = kernel.program(units, "fp32")
    random = np.random.default_rng(seed)
    arrays = {
        t.name: random.standard_normal(t.shape, np.float32).astype(DTYPES[precision])
        for t in program.inputs
    }
    return Workload(
        f"{kernel.kind}: {kernel.name} x{units} {precision}",
        program,
        {n: a for n, a in arrays.items() if n not in kernel.weights},
        {n: a for n, a in arrays.items() if n in kernel.weights},
    )


def sampled(given: Workload, seed: int) -> tuple[tuple[NDArray[np.int64], ...], NDArray[Any]]:
    """Positions of the result, and the double-precision values there."""
    program = given.source
    assert isinstance(program, Program)
    (definition,) = program.definitions
    shape = definition.result.shape
    picked = np.random.default_rng(seed).integers(0, prod(shape), POSITIONS)
    ends = np.array([0, prod(shape) - 1])
    positions = np.unravel_index(np.unique(np.concatenate([picked, ends])), shape)
    where = tuple(np.asarray(p, np.int64) for p in positions)
    arrays = {**given.inputs, **given.weights}

    def look_up(tensor: Tensor, index: tuple[NDArray[np.int64], ...]) -> NDArray[np.float64]:
        return arrays[tensor.name][index].astype(np.float64)

    return where, evaluate_at(definition.scope, list(where), look_up, Float64())


@dataclass(frozen=True)
class AtPositions:
    """A kernel of ours, of whose result only some elements are compared."""

    whole: Built
    where: tuple[NDArray[np.int64], ...]

    @property
    def provenance(self) -> str:
        return self.whole.provenance

    @property
    def candidates(self) -> Mapping[str, float]:
        return self.whole.candidates

    @property
    def algorithms(self) -> Sequence[str]:
        return self.whole.algorithms

    def capture(self, stream: int) -> Replays:
        return self.whole.capture(stream)

    def output(self) -> NDArray[Any]:
        return self.whole.output()[self.where]


def measure(row: Row, setting: Setting) -> Row:
    """Ours beside the copy; `launch` is the time of the kernel of one element."""
    kernel, megabytes = _ROWS[row.name]
    units, precision = kernel.units(megabytes, row.precision), row.precision
    given = workload(kernel, units, precision, setting.seed)
    where, expected = sampled(given, setting.seed)
    device, contest, build = open_device(), Contest(), setting.build
    if build is not None:
        nothing = workload(NOTHING, 1, precision, setting.seed)
        for name, work in (("einnet", given), (LAUNCH, nothing)):
            built = contest.attempt(name, lambda w=work: build(w, precision))
            if built is not None:
                compared = built if name == LAUNCH else AtPositions(built, where)
                contest.ours.append(Ours(name, compared))
    with alone(device, say):
        half = bytes_of(kernel.program(units, precision)) // 2
        timed = _timed(contest, half, expected, setting, device)
    launch = next((t.median() for t in timed if t.name == LAUNCH), None)
    # What the driver copies is no result of the expression, so there is nothing to be wrong.
    kept = [replace(t, error=Error(0.0, 0.0)) if not t.ours else t for t in timed]
    return replace(
        row,
        timed=tuple(t for t in kept if t.name != LAUNCH),
        notes=tuple(contest.notes),
        environment=device_facts(Path(__file__).resolve().parent),
        launch=launch,
    )


def _timed(
    contest: Contest, half: int, expected: NDArray[Any], setting: Setting, device: Device
) -> tuple[Timed, ...]:
    """The contenders checked and timed beside a copy of `half` the bytes, which it reads and
    writes."""
    stream = device.make_stream()
    source, target = (device.allocate(half, "the copy") for _ in range(2))
    contest.peers.append(DeviceCopy(device, source, target))
    return run_contest(
        contest,
        expected,
        lambda c: time_programs(c, device, stream, setting.rounds, setting.seed),
        stream,
        setting.rounds,
    )


def by_size(rows: Sequence[Row]) -> tuple[str, ...]:
    """A Markdown table: of each kernel and size our microseconds, and the share of the bandwidth
    that the driver's copy has, in each precision."""
    found = {(row.name, row.precision): row for row in rows}
    precisions = list(dict.fromkeys(row.precision for row in rows))
    lines = [
        f"| {', '.join(precisions)} | {' | '.join(f'{m} MB' for m in MEGABYTES)} |",
        "|---" * (1 + len(MEGABYTES)) + "|",
    ]
    for kernel in KERNELS:
        name = f"{kernel.kind}: {kernel.name}"
        cells = [
            ", ".join(_cell(found.get((f"{name} {m} MB", p))) for p in precisions)
            for m in MEGABYTES
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return tuple(lines)


def _cell(row: Row | None) -> str:
    mine = None if row is None else fastest(row, ours=True)
    taken = None if mine is None else mine.median()
    share = None if row is None else ratio(row)
    return "-" if taken is None or share is None else f"{taken:.1f} us {share:.0%}"


def judge(rows: Sequence[Row]) -> Verdict:
    return replace(judge_kernels(rows), lines=by_size(rows))


TABLE = Table(
    "kernels",
    "bench.kernels",
    tuple(_ROWS),
    ("fp32", "fp16"),
    blank,
    measure,
    judge,
    ("copy",),
)

if __name__ == "__main__":
    sys.exit(main(TABLE, __doc__ or "", None))
