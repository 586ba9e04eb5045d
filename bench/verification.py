"""What proofs and mutants cost a compilation: each model of examples/ for each target, and equal
convolutions one after another for cuda, where mutants are sought.

    python -m bench.verification                 the table
    python -m bench.verification --row infogan   models whose name holds a text
    python -m bench.verification --json FILE     also write it as JSON
    python -m bench.verification --check         exit 1 and name what takes too long

Seconds are CPU seconds of a whole compilation with default options, child processes included, for
cuda without measuring, which needs a GPU. `proofs` is the share of every plan's proof, of mutants'
corrections and of the final module's validation; `mutants` how many times longer a compilation is
with them than without. Each compilation has a process of its own, which has loaded the libraries by
compiling another small model before.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

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

MOST_PROOFS = 0.1
"""For the models of examples/."""

MOST_MUTANTS = {STACK: 1.5} | dict.fromkeys(MODELS, 1.3)

_PROOFS = ("proving", "validating")


@dataclass(frozen=True)
class Outcome:
    """One model for one target: seconds of each stage with mutants, and of all without."""

    model: str
    target: str
    seconds: dict[str, float]
    without: float

    @property
    def name(self) -> str:
        return f"{self.model} {self.target}"

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def proofs(self) -> float:
        return sum(self.seconds.get(stage, 0.0) for stage in _PROOFS) / self.total

    @property
    def mutants(self) -> float:
        return self.total / self.without

    @property
    def short(self) -> tuple[str, ...]:
        """What is above its limit, in words."""
        found: list[str] = []
        if self.proofs >= MOST_PROOFS and not self.model.startswith(STACK):
            found.append(f"proofs take {self.proofs:.1%}, which is not under {MOST_PROOFS:.0%}")
        most = MOST_MUTANTS[self.model.split()[0]]
        if self.mutants > most:
            found.append(f"mutants take {self.mutants:.2f} times, more than {most}")
        return tuple(found)


def outcomes(text: str) -> Iterator[Outcome]:
    """The models and targets whose name holds the text."""
    with tempfile.TemporaryDirectory() as folder:
        for model in (*MODELS, STACK):
            for batch in BATCHES:
                path = Path(folder) / f"{model}-b{batch}.onnx"
                for options in TARGETS[model == STACK :]:
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
    seconds: list[dict[str, float]] = []
    for mutate in (False, True):
        # What one compilation leaves in caches would make the next one cheaper.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as child:
            given = replace(options, mutate=mutate)
            seconds.append(child.submit(stages, str(path), given).result())
    return Outcome(name, options.target, seconds[1], sum(seconds[0].values()))


def stages(path: str, options: Options) -> dict[str, float]:
    """CPU seconds of each stage of a compilation in this process, libraries loaded before."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.onnx"
        small.write_bytes(build(1, layers=((4, 4, 1),)).SerializeToString())
        compile_file(str(small), options, Trace())
    trace = Trace()
    compile_file(path, options, trace)
    return trace.seconds


def show(found: Sequence[Outcome]) -> str:
    """The table as text."""
    head = f"{'model':18} {'total s':>8} {'mutating':>8} {'proving':>8} {'validating':>10}"
    lines = [f"{head} {'proofs':>7} {'mutants':>8}"]
    for one in found:
        stages = [one.seconds.get(stage, 0.0) for stage in ("mutating", *_PROOFS)]
        lines.append(
            f"{one.name:18} {one.total:8.2f} {stages[0]:8.2f} {stages[1]:8.2f} {stages[2]:10.2f}"
            f" {one.proofs:7.1%} {one.mutants:8.2f}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="What proofs and mutants cost a compilation.")
    parser.add_argument("--row", default="", help="only rows whose name holds this text")
    parser.add_argument("--check", action="store_true", help="exit 1 if a row takes too long")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    given = parser.parse_args(arguments)
    found = list(outcomes(given.row))
    if not found:
        print(f"no row's name holds {given.row!r}", file=sys.stderr)
        return 2
    print(show(found))
    if given.json is not None:
        rows = [asdict(o) | {"proofs": o.proofs, "mutants": o.mutants} for o in found]
        text = json.dumps({"environment": environment(), "figures": rows}, indent=1)
        given.json.write_text(text + "\n", encoding="utf-8")
    missed = [f"{o.name}: {reason}" for o in found for reason in o.short]
    for line in missed if given.check else ():
        print(line, file=sys.stderr)
    return 1 if given.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
