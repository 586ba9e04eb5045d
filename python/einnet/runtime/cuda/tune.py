"""Measuring an artifact: algorithms of library calls, schedules of kernels, then whole variants.

Everything is timed by replaying CUDA graphs on random data, candidates interleaved in random order.
A variant counts only if its outputs agree with the original's. What faults or hangs must not take
the caller with it: `measure.py` runs this file as a child process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einnet.codegen.gpu.host import HostProgram, KernelLaunch, LibraryCall, key_of
from einnet.errors import ToolchainError
from einnet.runtime.cuda import libraries
from einnet.runtime.cuda.algorithm import Unsupported
from einnet.runtime.cuda.artifact import CudaArtifact, cubins_for, with_kernels
from einnet.runtime.cuda.device import CudaError, Device, OutOfMemory
from einnet.runtime.cuda.exclusive import alone
from einnet.runtime.cuda.executor import CudaProgram
from einnet.runtime.cuda.forms import ORIGINAL
from einnet.runtime.cuda.ranking import rank, relative_difference
from einnet.runtime.cuda.records import CallRecord, KernelRecord, Records, environment_of
from einnet.runtime.cuda.timing import (
    Contender,
    GpuSamples,
    Stopwatch,
    contender,
    runs_within,
    time_programs,
)
from einnet.runtime.cuda.trial import random_values, trial

Array = NDArray[Any]
Say = Callable[[str], None]
Keep = Callable[[Records], None]

AGREEMENT = {"fp32": 1e-4, "tf32": 1e-2, "fp16": 2e-2, "bf16": 1e-1}
"""How far two variants' outputs may be apart, in the Euclidean norm: far more than rounding."""

_REPLAY = 2000.0
"""Microseconds of one replay of a variant, at most, unless a single run takes longer."""

_TRIES = 3
"""Runs of a variant of which the shortest says how many fit into a replay."""


def tune(
    artifact: CudaArtifact,
    device: Device,
    *,
    rounds: int = 30,
    seed: int = 0,
    skip: Sequence[str] = (),
    known: Records | None = None,
    say: Say = lambda _: None,
    keep: Keep = lambda _: None,
) -> Records:
    """Measure what the artifact leaves open, in the environment of this device.

    `known` are records that need not be measured again if they are of this environment; `skip`
    holds names of variants, which are left out, and keys of calls and symbols of kernels, which are
    left as they are. `say` hears what is about to run ("call KEY LABEL", "kernel SYMBOL LABEL",
    "variant NAME") and what came of it; an empty line is a mere sign of life. `keep` gets what is
    known so far, after each step.

    Raises ToolchainError if a library is missing or no variant runs here.
    """
    environment = environment_of(device, artifact.precision)
    if known is None or known.environment != environment:
        known = Records(environment)
    tuning = _Tuning(artifact, device, seed, frozenset(skip), say, keep)
    records = tuning.kernels(tuning.calls(known))
    samples = tuning.race(records, rounds)
    return replace(records, variants={**known.variants, **samples})


@dataclass(frozen=True)
class _Tuning:
    """The measurements that have the same setting."""

    artifact: CudaArtifact
    device: Device
    seed: int
    skip: frozenset[str]
    say: Say
    keep: Keep

    @property
    def variants(self) -> dict[str, HostProgram]:
        """Those that are not skipped, the reference first."""
        names = sorted(self.artifact.variants, key=lambda name: name != ORIGINAL)
        return {n: self.artifact.variants[n] for n in names if n not in self.skip}

    def calls(self, records: Records) -> Records:
        """The records with an entry for every library call, which has its fastest algorithm."""
        places = [(p, call) for p in self.variants.values() for call in p.calls]
        open_ = {key_of(call): (p, call) for p, call in reversed(places)}
        for key, (program, call) in reversed(open_.items()):
            if key in records.calls:
                continue
            found = CallRecord({}, 0.0)
            if key not in self.skip:
                self.say(f"call {key} {call.label}")
                found = self._fastest_algorithm(program, call) or found
            records = replace(records, calls={**records.calls, key: found})
            self.keep(records)
        return records

    def kernels(self, records: Records) -> Records:
        """The records with an entry for every kernel that has several schedules."""
        places = [
            (p, step)
            for p in self.variants.values()
            for step in p.steps
            if isinstance(step, KernelLaunch) and self.artifact.alternatives.get(step.symbol)
        ]
        open_ = {step.symbol: (p, step) for p, step in reversed(places)}
        for symbol, (program, step) in reversed(open_.items()):
            if symbol in records.kernels:
                continue
            found = KernelRecord(symbol, {})
            if symbol not in self.skip:
                self.say(f"kernel {symbol} {step.label}")
                found = self._fastest_schedule(program, step) or found
            records = replace(records, kernels={**records.kernels, symbol: found})
            self.keep(records)
        return records

    def _fastest_algorithm(self, program: HostProgram, call: LibraryCall) -> CallRecord | None:
        started, key = perf_counter(), key_of(call)
        try:
            with trial(program, call.arguments, self.device, self.seed, self.say) as bench:
                found = libraries.search(
                    call, bench.addresses.__getitem__, self.device.handles, bench
                )
        except (Unsupported, OutOfMemory) as error:
            self.say(f"call {key}: {error}")
            return None
        algorithm, seconds = found.ranking.order[0]
        self.say(
            f"call {key}: {found.tried} algorithms in {perf_counter() - started:.2f} s"
            f" (proposing {found.proposing:.2f}, waiting {found.ranking.waiting:.2f},"
            f" running {found.ranking.checking:.2f}, timing {found.ranking.timing:.2f});"
            f" {seconds * 1e6:.2f} us: {algorithm['name']}"
        )
        for reason in found.ranking.dropped:
            self.say(f"call {key}: dropped {reason}")
        return CallRecord(algorithm, seconds)

    def _fastest_schedule(self, program: HostProgram, step: KernelLaunch) -> KernelRecord | None:
        started = perf_counter()
        try:
            cubins = cubins_for(self.artifact, program, self.device)
            others = [s for s in self.artifact.alternatives[step.symbol] if s.symbol in cubins]
            tolerance = libraries.GROSS.get(program.buffer(step.arguments[-1]).dtype, 0.0)
            with trial(program, step.arguments, self.device, self.seed, self.say) as bench:
                ranking = rank(bench.schedules(step, others, cubins), bench, tolerance)
        except (Unsupported, ToolchainError) as error:
            self.say(f"kernel {step.symbol}: {error}")
            return None
        times = {str(record["name"]): seconds for record, seconds in ranking.order}
        best = next(iter(times))
        self.say(
            f"kernel {step.symbol}: {1 + len(others)} schedules in"
            f" {perf_counter() - started:.2f} s; {times[best] * 1e6:.2f} us: {best}"
        )
        for reason in ranking.dropped:
            self.say(f"kernel {step.symbol}: dropped {reason}")
        return KernelRecord(best, times)

    def race(self, records: Records, rounds: int) -> dict[str, GpuSamples]:
        """Times of the variants that run and agree with the first that does and has finite outputs;
        if none has, with the first that runs."""
        self.device.make_current()
        dropped: list[str] = []
        ran: dict[str, tuple[Contender, dict[str, Array]]] = {}
        with alone(self.device, self.say), ExitStack() as resources:
            stream = self.device.make_stream()
            resources.callback(self.device.destroy_stream, stream)
            for name, program in self.variants.items():
                self.say(f"variant {name}")
                with ExitStack() as own:
                    try:
                        ran[name] = self._screened(program, records, stream, own)
                    except (Unsupported, ToolchainError) as error:
                        dropped.append(f"{name}: {error}")
                        self.say(f"dropped {dropped[-1]}")
                        continue
                    resources.push(own.pop_all())
            racing = self._agreeing(ran)
            if not racing:
                raise ToolchainError(
                    f"no variant runs on {self.device.properties.name}:"
                    f" {'; '.join(dropped) or 'all of them crashed or hung'}",
                    hint="compile for this GPU and its libraries",
                )
            self.say("timing")
            return time_programs(
                racing, self.device, stream, rounds, self.seed, beat=lambda: self.say("")
            )

    def _agreeing(
        self, ran: Mapping[str, tuple[Contender, Mapping[str, Array]]]
    ) -> dict[str, Contender]:
        """The variants whose outputs are those of the first, up to what rounding explains."""
        found = [outputs for _, outputs in ran.values()]
        # One that computes no finite result where others do is no reference for them.
        reference = next(filter(_is_finite, found), found[0] if found else {})
        kept: dict[str, Contender] = {}
        for name, (entry, outputs) in ran.items():
            differences = (relative_difference(outputs[n], r) for n, r in reference.items())
            worst = max(differences, default=0.0)
            if worst <= AGREEMENT[self.artifact.precision]:
                kept[name] = entry
            else:
                self.say(f"dropped {name}: its outputs differ by {worst:.1e}")
        return kept

    def _screened(
        self, variant: HostProgram, records: Records, stream: int, resources: ExitStack
    ) -> tuple[Contender, dict[str, Array]]:
        """A variant ready to be timed, after it has run in every way that timing runs it, and its
        outputs. Raises Unsupported or ToolchainError if it does not run."""
        program = with_kernels(variant, records, self.artifact.alternatives)
        cubins = cubins_for(self.artifact, program, self.device)
        algorithms = records.algorithms(records.environment)
        runner = CudaProgram(program, self.device, cubins, self.artifact.constants, algorithms)
        resources.callback(runner.close)
        runner.write_inputs({b.name: random_values(b, self.seed) for b in runner.inputs})
        try:
            single = runner.capture()
            single.launch(stream)
            with Stopwatch(self.device, stream) as stopwatch:
                one = min(stopwatch.time(lambda: single.launch(stream)) for _ in range(_TRIES))
            single.close()
            entry = contender(runner, stream, runs_within(_REPLAY, one))
            entry.many()
            entry.once()
            self.device.synchronize(stream)
        except CudaError as error:
            self.device.synchronize(stream)  # raises if the device cannot be used any more
            raise Unsupported(str(error)) from error
        return entry, runner.read_outputs()


def _is_finite(outputs: Mapping[str, Array]) -> bool:
    return all(np.isfinite(a.astype(np.float64)).all() for a in outputs.values())
