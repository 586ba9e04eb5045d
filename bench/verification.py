"""What proofs and mutants cost a compilation: each model of examples/ for each target, and equal
convolutions one after another for cuda, where mutants are sought.

    python -m bench.verification                 the table
    python -m bench.verification --row infogan   models whose name holds a text
    python -m bench.verification --json FILE     also write it as JSON
    python -m bench.verification --check         exit 1 and name what takes too long

Seconds are CPU seconds of a compilation with default options, child processes included. Each one
has a process of its own, which has loaded the libraries by compiling another small model before;
every figure is the median of RUNS such processes. Without mutants there is one, since all of it
has to end within minutes.

`proofs` is the share of every plan's proof, of mutants' corrections and of the final module's
validation in the whole compilation as a user has it, and has to stay under MOST_PROOFS for the
models of examples/. On a CPU a compilation measures candidates, which takes about half of it; for
cuda it would, but here there need not be a GPU and it does not. `unmeasured` is therefore the same
share of a compilation less what it measures (the stage `choosing`): the two bases are not mixed.
`mutants` is how many times longer a compilation is with mutants than without.
"""

from __future__ import annotations

import importlib
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.command import Parser, output_file, written
from bench.stack import build
from einnet.driver import compile_file
from einnet.options import Options
from einnet.toolchain.doctor import environment
from einnet.trace import Trace

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
MODELS = ("infogan", "dcgan")
STACK = "stack"
BATCHES = (1, 16)
TARGETS = (Options(), Options(target="cuda", precision="tf32", measure=False))

RUNS = 3
JOBS = 2
"""Compilations at a time: seconds are CPU seconds, and a compilation uses one core."""

MOST_PROOFS = 0.1
"""Of a whole compilation, for the models of examples/."""

MOST_MUTANTS = {STACK: 1.5} | dict.fromkeys(MODELS, 1.3)

_PROOFS = ("proving", "validating")
_MEASURING = "choosing"


@dataclass(frozen=True)
class Outcome:
    """One model for one target: the seconds of each stage, run by run, with mutants and without.

    What a property says is the median over the runs.
    """

    model: str
    target: str
    runs: tuple[Mapping[str, float], ...]
    without: tuple[Mapping[str, float], ...]

    @property
    def name(self) -> str:
        return f"{self.model} {self.target}"

    @property
    def total(self) -> float:
        return median(_total(run) for run in self.runs)

    @property
    def proofs(self) -> float:
        return median(_proofs(run) / _total(run) for run in self.runs)

    @property
    def unmeasured(self) -> float:
        return median(_proofs(run) / (_total(run) - run.get(_MEASURING, 0.0)) for run in self.runs)

    @property
    def mutants(self) -> float:
        return self.total / median(_total(run) for run in self.without)

    def stage(self, name: str) -> float:
        return median(run.get(name, 0.0) for run in self.runs)

    @property
    def short(self) -> tuple[str, ...]:
        """What is above its limit, in words."""
        found: list[str] = []
        if self.proofs >= MOST_PROOFS and not self.model.startswith(STACK):
            found.append(
                f"proofs take {self.proofs:.1%} of the whole compilation, which is not under"
                f" {MOST_PROOFS:.0%}"
            )
        most = MOST_MUTANTS[self.model.split()[0]]
        if self.mutants > most:
            found.append(f"mutants take {self.mutants:.2f} times, more than {most}")
        return tuple(found)


def _total(run: Mapping[str, float]) -> float:
    return sum(run.values())


def _proofs(run: Mapping[str, float]) -> float:
    return sum(run.get(stage, 0.0) for stage in _PROOFS)


def names() -> list[str]:
    """The models, each with the targets that it is compiled for."""
    return [
        f"{model} b{batch} {options.target}"
        for model in (*MODELS, STACK)
        for batch in BATCHES
        for options in targets(model)
    ]


def targets(model: str) -> Sequence[Options]:
    """All; of the stack only the GPU, where mutants are sought by default."""
    return TARGETS[model == STACK :]


def outcomes(text: str) -> Iterator[Outcome]:
    """The models and targets whose name holds the text."""
    with tempfile.TemporaryDirectory() as folder:
        for model in (*MODELS, STACK):
            for batch in BATCHES:
                path = Path(folder) / f"{model}-b{batch}.onnx"
                for options in targets(model):
                    if text not in f"{model} b{batch} {options.target}":
                        continue
                    if not path.exists():
                        path.write_bytes(built(model, batch))
                    yield run(f"{model} b{batch}", path, options)


def built(model: str, batch: int) -> bytes:
    """The model as ONNX."""
    if model == STACK:
        return build(batch).SerializeToString()
    if str(EXAMPLES) not in sys.path:
        sys.path.insert(0, str(EXAMPLES))
    made: Any = importlib.import_module(model).build(batch)
    return made.SerializeToString()


def run(name: str, path: Path, options: Options) -> Outcome:
    """Compile the model with mutants and without."""
    # What one compilation leaves in caches would make the next one cheaper: a process for each.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(JOBS, mp_context=context, max_tasks_per_child=1) as children:
        runs = [children.submit(stages, str(path), options) for _ in range(RUNS)]
        without = children.submit(stages, str(path), replace(options, mutate=False))
        return Outcome(
            name, options.target, tuple(run.result() for run in runs), (without.result(),)
        )


def stages(path: str, options: Options) -> dict[str, float]:
    """CPU seconds of each stage of a compilation in this process, libraries loaded before."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.onnx"
        small.write_bytes(build(1, layers=((4, 4, 1),)).SerializeToString())
        compile_file(str(small), options, Trace())
    trace = Trace()
    compile_file(path, options, trace)
    return trace.seconds


HEAD = (
    f"{'':18} {'':>8} {'':>8} {'':>8} {'':>10} {'proofs, of':^21}\n"
    f"{'model':18} {'total s':>8} {'mutating':>8} {'proving':>8} {'validating':>10}"
    f" {'the whole':>9} {'unmeasured':>11} {'mutants':>8}"
)


def row_text(one: Outcome) -> str:
    """A row of the table."""
    stages = [one.stage(stage) for stage in ("mutating", *_PROOFS)]
    return (
        f"{one.name:18} {one.total:8.2f} {stages[0]:8.2f} {stages[1]:8.2f} {stages[2]:10.2f}"
        f" {one.proofs:9.1%} {one.unmeasured:11.1%} {one.mutants:8.2f}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = Parser("bench.verification", __doc__)
    parser.add_argument("--row", default="", help="only rows whose name holds this text")
    parser.add_argument("--check", action="store_true", help="exit 1 if a row takes too long")
    parser.add_argument(
        "--json", type=output_file, metavar="FILE", help="also write the rows there"
    )
    given = parser.parse_args(arguments)
    parser.require(given.row, names(), "row")
    found: list[Outcome] = []
    print(HEAD)
    for one in outcomes(given.row):
        print(row_text(one), flush=True)
        found.append(one)
    rows = [
        asdict(o) | {"proofs": o.proofs, "unmeasured": o.unmeasured, "mutants": o.mutants}
        for o in found
    ]
    if not written(given.json, {"environment": environment(), "figures": rows}):
        return 1
    missed = [f"{o.name}: {reason}" for o in found for reason in o.short]
    for line in missed if given.check else ():
        print(line, file=sys.stderr)
    return 1 if given.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
