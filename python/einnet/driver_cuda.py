"""The flow of the CUDA target, flat, from the program that was lifted to an artifact.

Each contraction is searched for what products and convolutions of libraries can do; whole-program
variants are put together from the candidates, proved, and lowered to kernels and library calls;
all of them go into an artifact, which any host with a GPU measures; the fastest is chosen by the
records, and what was best in each subprogram is combined into one more variant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from einnet.codegen.gpu.assemble import assemble_all
from einnet.codegen.gpu.frame import Kernel
from einnet.codegen.gpu.host import HostProgram, KernelLaunch
from einnet.codegen.gpu.lower import lower_program, store
from einnet.expr.canonical import fingerprint
from einnet.expr.program import Program, constants_of
from einnet.operators.cost import h100
from einnet.options import Options
from einnet.program.interplay import rewrite_program
from einnet.program.precision import in_precision
from einnet.program.subprograms import (
    LIBRARIES,
    LIMITS,
    Subprogram,
    contractions_of,
    derive,
)
from einnet.program.variants import (
    ORIGINAL,
    Variant,
    combined,
    variants,
    verified_variants,
)
from einnet.runtime.cuda.artifact import write_cuda_artifact
from einnet.runtime.cuda.measure import measure_artifact
from einnet.runtime.cuda.records import Records
from einnet.runtime.cuda.timing import GpuSamples, wins
from einnet.toolchain.doctor import environment
from einnet.trace import Trace
from einnet.tuning.constants import Constants
from einnet.verify.certificate import Certificate
from einnet.verify.plan import VerifiedProgram, verify_plan

Array = NDArray[Any]


MAX_VARIANTS = 16
"""Whole programs that are proved, lowered and measured, at most, besides the combined one."""

_NOISE = 0.01
"""The share of its time by which an exchange must be faster to be combined with others."""


@dataclass
class Race:
    """Variants of one program, proved and lowered, with everything that it takes to run them.

    `dropped` says why variants are not in it.
    """

    program: Program
    subprograms: tuple[Subprogram, ...]
    precision: str
    values: Constants
    variants: dict[str, Variant] = field(default_factory=dict[str, Variant])
    verified: dict[str, VerifiedProgram] = field(default_factory=dict[str, VerifiedProgram])
    hosts: dict[str, HostProgram] = field(default_factory=dict[str, HostProgram])
    kernels: dict[str, Kernel] = field(default_factory=dict[str, Kernel])
    alternatives: dict[str, tuple[KernelLaunch, ...]] = field(
        default_factory=dict[str, tuple[KernelLaunch, ...]]
    )
    cubins: dict[str, dict[str, bytes]] = field(default_factory=dict[str, dict[str, bytes]])
    constants: dict[str, Array] = field(default_factory=dict[str, Array])
    dropped: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class CudaCompilation:
    """A race that is decided: the variant that runs, what was measured, seconds of each stage."""

    race: Race
    chosen: str
    records: Records | None
    seconds: dict[str, float]

    @property
    def variant(self) -> Variant:
        return self.race.variants[self.chosen]

    @property
    def certificate(self) -> Certificate:
        return self.race.verified[self.chosen].certificate


def compile_cuda(
    program: Program,
    weights: Mapping[str, Array],
    options: Options,
    trace: Trace,
    records: Records | None = None,
) -> CudaCompilation:
    """Compile a program for a GPU. `records` decide if they are given, else measuring on the GPU
    here if `options.measure`, else estimates.

    Raises EinnetError for what the CUDA target cannot compute, and for a missing ptxas or GPU.
    """
    race = start_race(program, weights, options, trace)
    return finish_race(race, options, trace, records)


def finish_race(
    race: Race, options: Options, trace: Trace, records: Records | None = None
) -> CudaCompilation:
    """Measure the variants that are entered, unless records decide, and choose one."""
    if records is None and options.measure:
        records = _measured(race, options, trace, None)
        if _enter_combined(race, records, options, trace):
            records = _measured(race, options, trace, records)
    elif records is not None:
        _enter_combined(race, records, options, trace)
    chosen = choose_variant(race, records)
    trace.progress(f"chosen: {chosen}")
    return CudaCompilation(race, chosen, records, dict(trace.seconds))


def start_race(
    program: Program, weights: Mapping[str, Array], options: Options, trace: Trace
) -> Race:
    """Search a program for variants and enter them."""
    machine = h100(options.precision)
    with trace.stage("rewriting"):
        program = _rewritten(program, options, trace)
    constants = constants_of(program)
    contractions = contractions_of(program, constants, machine.types)
    subprograms: list[Subprogram] = []
    for number, definition in enumerate(contractions, 1):
        trace.progress(f"subprogram {number} of {len(contractions)}: {definition.label}")
        with trace.stage("searching"):
            subprograms.append(
                derive(
                    definition, program, constants, machine, LIMITS, options.candidates,
                    options.strategy, LIBRARIES[options.target],
                )
            )  # fmt: skip
    race = Race(program, tuple(subprograms), options.precision, Constants(weights))
    with trace.stage("combining"):
        found = variants(program, race.subprograms, MAX_VARIANTS)
    _enter(race, found, options, trace)
    return race


def _rewritten(program: Program, options: Options, trace: Trace) -> Program:
    rewritten = rewrite_program(program, h100(options.precision))
    if not rewritten.applied:
        return program
    verified = verify_plan(program, rewritten.program, seed=options.seed, rounds=options.rounds)
    if not isinstance(verified, VerifiedProgram):
        trace.progress(f"dropped: {', '.join(rewritten.applied)}: {verified}")
        return program
    trace.progress(f"rewritten: {', '.join(rewritten.applied)}")
    return verified.program


def _enter(race: Race, found: Sequence[Variant], options: Options, trace: Trace) -> None:
    """Prove variants, lower them and assemble their kernels. What is not proved is dropped."""
    with trace.stage("proving"):
        proved = verified_variants(race.program, found, seed=options.seed, rounds=options.rounds)
    race.dropped += proved.dropped
    for reason in proved.dropped:
        trace.progress(f"dropped: {reason}")
    with trace.stage("lowering"):
        made = [
            lower_program(v.program, in_precision(v.program, race.precision), race.precision)
            for _, v in proved.variants
        ]
    with trace.stage("computing constants"):
        values = race.values.evaluate([lowered.prepare for lowered in made])
        for (variant, verified), lowered, arrays in zip(proved.variants, made, values, strict=True):
            host, contents = store(lowered, arrays)
            if host in race.hosts.values():
                continue
            race.variants[variant.name] = variant
            race.verified[variant.name] = verified
            race.hosts[variant.name] = host
            race.constants.update(contents)
            for kernel in lowered.kernels:
                race.kernels[kernel.symbol] = kernel
                others = lowered.alternatives.get(kernel.symbol, ())
                race.kernels.update({k.symbol: k for k in others})
                race.alternatives[kernel.symbol] = tuple(
                    KernelLaunch(k.symbol, k.grid, k.block, k.shared, ()) for k in others
                )
    with trace.stage("assembling"):
        for chip in options.chips.split(","):
            known = race.cubins.setdefault(chip, {})
            missing = [k for symbol, k in race.kernels.items() if symbol not in known]
            binaries = assemble_all([k.module for k in missing], chip)
            known.update({k.symbol: b.cubin for k, b in zip(missing, binaries, strict=True)})


def _enter_combined(race: Race, records: Records, options: Options, trace: Trace) -> bool:
    """Enter the combination of what was best in each subprogram; whether there is a new one."""
    seconds = {n: s.median for n, s in records.variants.items() if n in race.variants}
    measured = [v for v in race.variants.values() if v.name in seconds]
    if not measured or measured[0] is not next(iter(race.variants.values())):
        return False
    best = combined(race.program, race.subprograms, measured, seconds, _NOISE)
    if best is None:
        return False
    _enter(race, [best], options, trace)
    return best.name in race.variants


def choose_variant(race: Race, records: Records | None) -> str:
    """The fastest measured variant that beats the original by more than noise; without
    measurements the cheapest by estimate."""
    measured: Mapping[str, GpuSamples] = records.variants if records is not None else {}
    samples = {name: s for name, s in measured.items() if name in race.hosts}
    if not samples:
        return next(iter(race.variants))
    best = min(samples, key=lambda name: samples[name].median)
    if ORIGINAL in samples and not wins(samples[best], samples[ORIGINAL]):
        return ORIGINAL
    return best


def _measured(race: Race, options: Options, trace: Trace, known: Records | None) -> Records:
    with trace.stage("measuring"), TemporaryDirectory(prefix="einnet-") as scratch:
        folder = Path(scratch) / "race.einnet"
        write_race(race, folder, next(iter(race.hosts)), known, options, {})
        return measure_artifact(
            folder, rounds=options.repetitions, seed=options.seed, known=known,
            say=trace.progress,
        )  # fmt: skip


def write_race(
    race: Race,
    folder: Path,
    chosen: str,
    records: Records | None,
    options: Options,
    seconds: Mapping[str, float],
    optimized: str = "",
) -> None:
    """Write the artifact with every variant that is in the race."""
    write_cuda_artifact(
        folder,
        precision=race.precision,
        chosen=chosen,
        variants=race.hosts,
        alternatives=race.alternatives,
        cubins=race.cubins,
        constants=race.constants,
        optimized=optimized,
        records=records,
        certificate=json.loads(race.verified[chosen].certificate.to_json()),
        trace=[
            _record(s, n)
            for s, n in zip(race.subprograms, race.variants[chosen].choices, strict=True)
        ],
        environment={**asdict(options), "seconds": dict(seconds), **environment()},
    )


def _record(subprogram: Subprogram, chosen: int) -> dict[str, object]:
    """A subprogram and its candidates as JSON: derivations step by step, what was chosen."""
    scope = subprogram.definition.scope
    return {
        "subprogram": subprogram.name,
        "expression": str(scope),
        "fingerprint": fingerprint(scope),
        "visited": subprogram.visited,
        "chosen": chosen,
        "candidates": [
            {
                "operator": c.operator or "generated kernel",
                "estimate": c.estimate,
                "as_written": c.as_written,
                "steps": [[s.rule, dict(s.parameters)] for s in c.steps],
            }
            for c in subprogram.candidates
        ],
    }
