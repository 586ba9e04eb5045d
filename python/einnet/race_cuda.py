"""Variants of one program that race each other on a GPU.

They are proved when they enter, and lowered to kernels and library calls; all of them go into an
artifact, which any host with a GPU measures. The records choose the fastest, and what was best in
each subprogram is combined into one more variant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from einnet.codegen.gpu.assemble import assemble_all
from einnet.codegen.gpu.frame import Kernel
from einnet.codegen.gpu.host import HostProgram, KernelLaunch, key_of
from einnet.codegen.gpu.lower import ENDS, Lowered, lower_program, store
from einnet.errors import InputError
from einnet.expr.canonical import fingerprint
from einnet.expr.program import Program
from einnet.options import Options
from einnet.program.joint import is_whole
from einnet.program.precision import in_precision
from einnet.program.subprograms import Subprogram
from einnet.program.variants import (
    COMBINED,
    Variant,
    assembled,
    combined,
    verified_variants,
)
from einnet.runtime.cuda.artifact import write_cuda_artifact
from einnet.runtime.cuda.forms import FORMS, plain, winner
from einnet.runtime.cuda.records import Records
from einnet.runtime.cuda.timing import GpuSamples
from einnet.toolchain.doctor import environment
from einnet.trace import Trace
from einnet.tuning.constants import Constants
from einnet.verify.certificate import Certificate
from einnet.verify.plan import VerifiedProgram

Array = NDArray[Any]

_NOISE = 0.01
"""The share of its time by which an exchange must be faster to be combined with others."""


@dataclass
class Race:
    """Variants of one program, proved and lowered, with everything that it takes to run them.

    `dropped` says why variants are not in it. `alternatives` are other schedules of a kernel,
    without those that are `spilling`: whose values do not fit into registers.
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
    spilling: set[str] = field(default_factory=set[str])
    constants: dict[str, Array] = field(default_factory=dict[str, Array])
    dropped: list[str] = field(default_factory=list[str])


def enter(race: Race, found: Sequence[Variant], options: Options, trace: Trace) -> None:
    """Prove variants, lower them and assemble their kernels. What is not proved is dropped."""
    with trace.stage("proving"):
        proved = verified_variants(race.program, found, seed=options.seed, rounds=options.rounds)
    race.dropped += proved.dropped
    for reason in proved.dropped:
        trace.progress(f"dropped: {reason}")
    with trace.stage("lowering"):
        made = [
            form
            for variant, verified in proved.variants
            for form in lowered_forms(variant, verified, race.precision)
        ]
    with trace.stage("computing constants"):
        values = race.values.evaluate([lowered.prepare for _, _, lowered in made])
        for (variant, verified, lowered), arrays in zip(made, values, strict=True):
            host, contents = store(lowered, arrays)
            if host in race.hosts.values():
                continue
            for result, reason in lowered.refused.items():
                trace.progress(f"{variant.name}: {result} is left to a kernel: {reason}")
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
            race.spilling |= {
                kernel.symbol
                for kernel, binary in zip(missing, binaries, strict=True)
                if any(r.spill_bytes or r.local_bytes for r in binary.resources.values())
            }
    for symbol, others in race.alternatives.items():
        race.alternatives[symbol] = tuple(o for o in others if o.symbol not in race.spilling)


def lowered_forms(
    variant: Variant, verified: VerifiedProgram, precision: str
) -> Iterator[tuple[Variant, VerifiedProgram, Lowered]]:
    """The variant lowered, and with more eOperators taken in by library calls where that is
    something else."""
    program = variant.program
    stored = in_precision(program, precision)
    known: list[HostProgram] = []
    for ends, suffix in zip(ENDS, FORMS, strict=True):
        made = lower_program(program, stored, precision, ends=ends)
        if made.host not in known:
            known.append(made.host)
            yield replace(variant, name=variant.name + suffix), verified, made


def enter_combined(race: Race, records: Records, options: Options, trace: Trace) -> bool:
    """Enter the combination of what was best in each subprogram; whether there is a new one.

    Where the records have times of a combination, it is that one: other records would name another,
    and nothing would ever have measured it.
    """
    measured = samples_of(race, records)
    # A variant is as fast as its fastest form; the combination enters in all.
    seconds: dict[str, float] = {}
    for name, samples in measured.items():
        variant = plain(name)
        seconds[variant] = min(samples.median, seconds.get(variant, samples.median))
    entered = [v for v in race.variants.values() if v.name in seconds]
    if not entered or entered[0] is not next(iter(race.variants.values())):
        return False
    found = _recorded_combination(race, records)
    if found is None:
        found = combined(race.program, race.subprograms, entered, seconds, _NOISE)
        if found is not None:
            found = replace(found, name=f"{COMBINED} {'.'.join(map(str, found.choices))}")
    if found is None or found.name in race.variants:
        return False
    enter(race, [found], options, trace)
    return found.name in race.variants


def _recorded_combination(race: Race, records: Records) -> Variant | None:
    """The combination that the records have times of, by the numbers in its name."""
    counts = [len(s.candidates) for s in race.subprograms]
    for name in records.variants:
        match = re.fullmatch(rf"{COMBINED} (\d+(?:\.\d+)*)", plain(name))
        if match is None:
            continue
        choices = tuple(map(int, match[1].split(".")))
        if len(choices) != len(counts):
            continue
        known = all(n < c for n, c in zip(choices, counts, strict=True))
        if known and is_whole(race.subprograms, choices):
            return Variant(match[0], choices, assembled(race.program, race.subprograms, choices))
    return None


def samples_of(race: Race, records: Records) -> dict[str, GpuSamples]:
    """Times of the variants of the race. A name alone is no proof that the records are of this
    program: they also have all library calls of a variant that ran, and all kernels with a choice.
    """
    found: dict[str, GpuSamples] = {}
    for name, host in race.hosts.items():
        calls = all(key_of(call) in records.calls for call in host.calls)
        tuned = all(s in records.kernels for s in host.symbols if race.alternatives.get(s))
        if name in records.variants and calls and tuned:
            found[name] = records.variants[name]
    return found


def check_records(race: Race, records: Records, trace: Trace) -> None:
    """Say what the records are of. Raises InputError if they are not of this race."""
    found = samples_of(race, records)
    if not found:
        raise InputError(
            f"the records are of another model, or of other options: of their"
            f" {len(records.variants)} variants none is among the {len(race.hosts)} of this one",
            hint="records come from an artifact of this model, compiled with the same options",
        )
    if len({len(s.hot) for s in found.values()}) > 1:
        raise InputError(
            "the records have times of different numbers of rounds, which do not compare",
            hint="`einnet measure` the artifact again",
        )
    taken = records.environment
    trace.progress(
        f"choosing by records of {len(found)} variants on {taken.gpu}"
        f" (driver {taken.driver or 'unknown'}, CUDA {taken.cuda}, {taken.precision})"
    )
    for name in race.hosts.keys() - found.keys():
        trace.progress(f"not in the records: {name}; measure the artifact to have it compared")


def choose_variant(race: Race, records: Records | None) -> str:
    """The winner of those that were measured; without measurements the cheapest by estimate."""
    samples = samples_of(race, records) if records is not None else {}
    return winner(samples) if samples else next(iter(race.variants))


def write_race(
    race: Race,
    folder: Path,
    chosen: str,
    records: Records | None,
    options: Options,
    seconds: Mapping[str, float],
    optimized: str = "",
    module: Certificate | None = None,
    unproved: str = "",
) -> None:
    """Write the artifact with every variant that is in the race; the last three as in
    `CudaCompilation`."""
    program = race.verified[chosen].certificate
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
        certificate={
            "program": json.loads(program.to_json()),
            "module": json.loads(module.to_json()) if module else None,
            "unproved": unproved,
        },
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
                "mutant": c.mutant,
                "joint": list(c.joint),
                "estimate": c.estimate,
                "as_written": c.as_written,
                "steps": [[s.rule, dict(s.parameters)] for s in c.steps],
            }
            for c in subprogram.candidates
        ],
    }
