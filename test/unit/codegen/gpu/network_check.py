"""Random networks through the CUDA target's flow up to host programs, which have to compute what
the network means, in every variant and every form.

    python test/unit/codegen/gpu/network_check.py --seeds 0:5000
    python test/unit/codegen/gpu/network_check.py --seeds 17:18 --reduce

The first prints a line for each seed that fails, and the counts at the end; the second also the
smallest network with the same failure that dropping layers leads to. `--unproved` leaves out
the proofs, which are half of it. With `--kernels` kernels are not replaced by their definitions:
each is built in every schedule, emulated, and assembled, which takes ten times as long.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch

import emulate
import numpy as np
from machine_code import check_resources
from networks import network
from numpy.typing import NDArray
from simulate import Kernels, Memory, kernels_by_definition, simulate

from einnet import driver_cuda, race_cuda
from einnet.codegen.gpu.frame import Kernel
from einnet.codegen.gpu.lower import Lowered, store
from einnet.expr.check import check_program
from einnet.expr.interpreter import Float64, dense, evaluate_everywhere
from einnet.expr.program import Definition, Program, without_dead
from einnet.operators.cost import Machine, h100
from einnet.options import Options
from einnet.program.variants import Variant, variants, verified_variants
from einnet.trace import Trace

Array = NDArray[Any]

TOLERANCE = {"fp32": 2e-5, "tf32": 2e-3, "fp16": 3e-2}
"""How far a result may be from the exact one, as a share of the largest number in the network.

TF32 is not simulated, but stands for GELU by erf that the library has by tanh.
"""


@dataclass(frozen=True)
class Setup:
    """How a network is compiled. `free` says that only arithmetic takes time on the machine, so
    that layouts cost nothing and more variants are worth measuring."""

    precision: str
    free: bool

    def machine(self, precision: str) -> Machine:
        machine = h100(precision)
        if not self.free:
            return machine
        return replace(machine, launch=0.0, bandwidth=1e20, units=1, step=0.0, loop_rate=2e13)

    @property
    def options(self) -> Options:
        return Options(target="cuda", measure=False, precision=self.precision)


def setup_of(seed: int) -> Setup:
    random = Random(seed)
    return Setup(random.choice(list(TOLERANCE)), random.random() < 0.5)


@dataclass
class Counts:
    """What was checked."""

    networks: int = 0
    variants: Counter[str] = field(default_factory=Counter[str])
    unproved: int = 0
    forms: Counter[str] = field(default_factory=Counter[str])
    steps: Counter[str] = field(default_factory=Counter[str])
    kernels: int = 0


class WrongError(Exception):
    """A host program computes something else, or a variant is not proved."""


def check_kernels(program: Program, setup: Setup, counts: Counts) -> None:
    """Build every kernel of every form in each of its schedules, and run it: each schedule has to
    compute what the others do, and no kernel may need local memory.

    Raises WrongError, and what building and assembling raise.
    """
    exact = _Exact(program, setup)
    with patch.object(driver_cuda, "h100", setup.machine):
        rewritten, subprograms = driver_cuda._searched(program, setup.options, Trace())
    built: dict[str, Kernel] = {}
    emulated: set[str] = set()
    for variant in variants(rewritten, subprograms, driver_cuda.MAX_VARIANTS):
        for name, lowered in _forms(variant, setup):
            kernels = Kernels()
            for kernel in lowered.kernels:
                schedules = (kernel, *lowered.alternatives.get(kernel.symbol, ()))
                built |= {k.symbol: k for k in schedules}
                kernels[kernel.symbol] = partial(_emulate, schedules, emulated)
            exact.compare(name, lowered, kernels, counts)
    if built:
        check_resources(list(built.values()), "sm_90a")
    assert emulated == built.keys()
    counts.networks += 1
    counts.kernels += len(built)


def _emulate(
    schedules: Sequence[Kernel], known: set[str], memory: Memory, arguments: tuple[str, ...]
) -> None:
    """Run a kernel in each of its schedules, those that are not known, and write what the first one
    does."""
    first: Array | None = None
    for kernel in schedules:
        if kernel.symbol in known and first is not None:
            continue
        known.add(kernel.symbol)
        *types, last = parameters(kernel)
        reads = [
            emulate.Memory(a, memory.flat[a][:n], ~np.isnan(memory.flat[a][:n]), True, (n,))
            for a, (n, _) in zip(arguments, types, strict=False)
        ]
        result = emulate.Memory.empty(arguments[-1], *last)
        emulate.run_on(kernel, [*reads, result])
        if first is None:
            first = result.data
            flat = memory.flat[arguments[-1]]
            flat[: last[0]][result.written] = first[result.written]
        apart = np.abs(result.data.astype(np.float64) - first.astype(np.float64))
        size = max(1.0, float(np.nanmax(np.abs(first.astype(np.float64)), initial=0.0)))
        if np.isnan(apart[result.written]).any() or np.nanmax(apart, initial=0.0) > 1e-2 * size:
            raise WrongError(f"schedules of {kernel.symbol} differ by {np.nanmax(apart):.3g}")


def parameters(kernel: Kernel) -> list[tuple[int, str]]:
    """The elements and the element type of each buffer that a kernel takes."""
    (header,) = re.findall(r"gpu\.func @\w+\((.*?)\)", kernel.module, re.DOTALL)
    return [(int(n), t) for n, t in re.findall(r"memref<(\d+)x(\w+)>", header)]


def check(
    program: Program, setup: Setup, counts: Counts, kernels: Kernels, *, prove: bool = True
) -> None:
    """Raise WrongError, or what the flow raises, unless every form of every variant computes what
    the program means, and, if `prove`, every variant is proved."""
    check_program(program)
    exact = _Exact(program, setup)
    with patch.object(driver_cuda, "h100", setup.machine):
        rewritten, subprograms = driver_cuda._searched(program, setup.options, Trace())
    counts.networks += 1
    found = variants(rewritten, subprograms, driver_cuda.MAX_VARIANTS)
    for variant in found:
        counts.variants[_kind(variant)] += 1
        for form in _forms(variant, setup):
            counts.forms[form[0].removeprefix(variant.name).strip(", ") or "plain"] += 1
            exact.compare(*form, kernels, counts)
    dropped = verified_variants(rewritten, found).dropped if prove else ()
    if dropped:
        counts.unproved += len(dropped)
        raise WrongError(f"{len(dropped)} not proved: {'; '.join(dropped)}")


def _kind(variant: Variant) -> str:
    """What is special about a variant."""
    place, _, candidate = variant.name.partition(": ")
    if "+" in place:
        return "joint with corrections" if "correction" in candidate else "joint"
    for word in ("correction", "mutant", "vectors"):
        if word in candidate:
            return word
    return "other"


def _forms(variant: Variant, setup: Setup) -> Iterator[tuple[str, Lowered]]:
    # What was proved does not matter to what is lowered.
    proof: Any = None
    for made, _, lowered in race_cuda.lowered_forms(variant, proof, setup.precision):
        yield made.name, lowered


class _Exact:
    """A program's results for random inputs."""

    def __init__(self, program: Program, setup: Setup) -> None:
        generator = np.random.default_rng(len(program.statements))
        self.program, self.precision = program, setup.precision
        self.arrays: dict[str, Array] = {}
        for tensor in program.inputs:
            # Sums of products keep about the size of their operands.
            spread = 1.5 / max(1, np.prod(tensor.shape)) ** 0.25 if tensor.name[0] == "W" else 1.0
            self.arrays[tensor.name] = generator.standard_normal(tensor.shape) * spread
        self.values = evaluate(program, self.arrays)
        self.scale = max(1.0, *(float(np.abs(v).max(initial=0.0)) for v in self.values.values()))

    def compare(self, name: str, lowered: Lowered, kernels: Kernels, counts: Counts) -> None:
        prepared = evaluate(lowered.prepare, self.arrays)
        host, constants = store(lowered, prepared)
        counts.steps.update(type(s).__name__ for s in host.steps)
        outputs = simulate(host, constants, kernels, {n: self.arrays[n] for n in host.inputs})
        half = self.precision == "fp16" or any(t.dtype == "f16" for t in self.program.inputs)
        bound = TOLERANCE["fp16" if half else self.precision] * self.scale
        for tensor, output in zip(self.program.outputs, host.outputs, strict=True):
            found = outputs[output].reshape(tensor.shape).astype(np.float64)
            apart = np.abs(found - self.values[tensor.name])
            if not (apart <= bound).all():
                raise WrongError(
                    f"'{name}' computes {tensor.name} {np.nanmax(apart, initial=0.0):.3g} apart,"
                    f" {np.isnan(apart).sum()} not at all, at most {bound:.3g} is allowed"
                )


def evaluate(program: Program, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Every tensor of the program, in double precision."""
    values = {name: a.astype(np.float64) for name, a in arrays.items()}
    for d in program.definitions:
        values[d.result.name] = evaluate_everywhere(d.scope, dense(values), Float64())
    return values


# By hand

_SLOW = 20.0
"""Seconds of a network from which on it is named."""


def failure(
    program: Program,
    setup: Setup,
    counts: Counts,
    *,
    prove: bool = True,
    built: bool = False,
) -> str:
    """What fails, with where it comes from; empty if nothing does. With `built`, generated kernels
    are checked instead of the network's meaning alone."""
    try:
        if built:
            check_kernels(program, setup, counts)
            return ""
        with kernels_by_definition() as kernels:
            check(program, setup, counts, kernels, prove=prove)
    except WrongError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a fuzzer reports whatever a seed raises
        frames = traceback.extract_tb(error.__traceback__)[-2:]
        where = " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames))
        return f"{type(error).__name__} in {where}: {error}"
    return ""


def reduced(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The smallest program that still fails, of those that dropping outputs and statements leads
    to: a tensor that nothing computes any more becomes an input."""
    while True:
        smaller = next((p for p in _smaller(program) if fails(p)), None)
        if smaller is None:
            return program
        program = smaller


def _smaller(program: Program) -> Iterator[Program]:
    for tensor in program.outputs:
        if len(program.outputs) > 1:
            yield _cut(program, outputs=tuple(t for t in program.outputs if t != tensor))
    for statement in program.definitions:
        if (statement.result,) != program.outputs:
            yield _cut(program, outputs=(statement.result,))
    for statement in program.definitions:
        if statement.result not in program.outputs:
            rest = tuple(s for s in program.statements if s != statement)
            yield _cut(program, inputs=(*program.inputs, statement.result), statements=rest)


def _cut(program: Program, **changes: Any) -> Program:
    cut = without_dead(replace(program, **changes))
    read = {t.name for s in cut.statements for t in s.operands} | {t.name for t in cut.outputs}
    inputs = tuple(t for t in cut.inputs if t.name in read)
    weights = cut.weights & {t.name for t in inputs}
    return replace(cut, inputs=inputs, weights=weights)


def written(program: Program) -> str:
    """The program as text."""
    lines = [f"  {t.name}: {t.shape} {t.dtype}" for t in program.inputs]
    lines += [
        f"  {d.result.name} = {d.scope}" for d in program.statements if isinstance(d, Definition)
    ]
    outputs = ", ".join(t.name for t in program.outputs)
    return "\n".join([*lines, f"  weights {', '.join(sorted(program.weights))}", f"  -> {outputs}"])


def seeds(text: str) -> range:
    """The type of --seeds: a range that is not empty."""
    found = re.fullmatch(r"(\d+):(\d+)", text, re.ASCII)
    if found is None or int(found[1]) >= int(found[2]):
        raise argparse.ArgumentTypeError(
            f"must be FIRST:END, two whole numbers of which the first is smaller, not {text!r}"
        )
    return range(int(found[1]), int(found[2]))


def seconds(text: str) -> float:
    """The type of --seconds."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0.0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return found


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--seeds", type=seeds, default=range(100), help="a range FIRST:END (0:100)")
    made.add_argument("--seconds", type=seconds, help="no further seed after these")
    made.add_argument("--reduce", action="store_true", help="print the smallest network as well")
    made.add_argument("--unproved", action="store_true", help="leave out the proofs, half of it")
    made.add_argument("--kernels", action="store_true", help="build and emulate kernels as well")
    return made


def main() -> int:
    chosen = parser().parse_args()

    def fails(program: Program, setup: Setup, counts: Counts) -> str:
        return failure(program, setup, counts, prove=not chosen.unproved, built=chosen.kernels)

    counts = Counts()
    failed = 0
    begin = time.monotonic()
    for seed in chosen.seeds:
        if chosen.seconds is not None and time.monotonic() - begin > chosen.seconds:
            break
        program, setup = network(seed), setup_of(seed)
        started = time.process_time()
        what = fails(program, setup, counts)
        if time.process_time() - started > _SLOW:
            print(f"seed {seed}: {setup}: took {time.process_time() - started:.0f} s", flush=True)
        if not what:
            continue
        failed += 1
        print(f"seed {seed}: {setup}: {what}", flush=True)
        if chosen.reduce:
            kind = what[:30]
            small = reduced(program, lambda p: fails(p, setup, Counts())[:30] == kind)  # noqa: B023
            print(fails(small, setup, Counts()), written(small), sep="\n", flush=True)
    print(f"{failed} failed; {counts}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
