"""Measuring an artifact: algorithms of library calls, schedules of kernels, then whole variants.

Everything is timed by replaying CUDA graphs on random data, candidates interleaved in random order.
A variant counts only if its outputs agree with the original's. What faults or hangs must not take
the caller with it: `measure.py` runs this file as a child process.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einnet.codegen.gpu.host import (
    Buffer,
    HostProgram,
    KernelLaunch,
    LibraryCall,
    key_of,
)
from einnet.runtime.cuda import libraries
from einnet.runtime.cuda.algorithm import Unsupported
from einnet.runtime.cuda.arrays import NUMPY_DTYPES
from einnet.runtime.cuda.artifact import CudaArtifact, best_chip, with_kernels
from einnet.runtime.cuda.call import Prepared
from einnet.runtime.cuda.device import CudaError, Device, Launch
from einnet.runtime.cuda.executor import CudaProgram
from einnet.runtime.cuda.records import CallRecord, KernelRecord, Records, environment_of
from einnet.runtime.cuda.timing import RUNS, Contender, GpuSamples, contender, time_programs

Array = NDArray[Any]
Say = Callable[[str], None]

AGREEMENT = {"fp32": 1e-4, "tf32": 1e-2, "fp16": 2e-2, "bf16": 1e-1}
"""How far two variants' outputs may be apart, in the Euclidean norm: far more than rounding."""

_REPLAY = 500.0
"""Microseconds that one replay of a candidate's graph should not take much longer than."""

_SAMPLE = 1 << 18
"""Elements of a result that are compared between algorithms, at most."""

_TILE = 1 << 20
"""Random elements that a larger buffer repeats."""


def tune(
    artifact: CudaArtifact,
    device: Device,
    *,
    rounds: int = 30,
    seed: int = 0,
    skip: Sequence[str] = (),
    known: Records | None = None,
    say: Say = lambda _: None,
    keep: Callable[[Records], None] = lambda _: None,
) -> Records:
    """Measure what the artifact leaves open, in the environment of this device.

    `known` are records that need not be measured again if they are of this environment; `skip`
    holds names of variants, keys of calls and symbols of kernels that are left out; `say` hears
    what is about to run, its name second; `keep` gets what is known so far, now and then.
    """
    environment = environment_of(device, artifact.precision)
    if known is None or known.environment != environment:
        known = Records(environment)
    variants = {n: p for n, p in artifact.variants.items() if n not in skip}
    cubins = _cubins(artifact, device)
    calls = dict(known.calls)
    for program in variants.values():
        for call in program.calls:
            key = key_of(call)
            if key not in calls and key not in skip:
                say(f"call {key} {call.label}")
                with _scratch(program, call.arguments, device, seed) as scratch:
                    found = scratch.fastest_algorithm(call)
                if found is not None:
                    calls[key] = found
                keep(replace(known, calls=calls))
    kernels = dict(known.kernels)
    for program in variants.values():
        for step in program.steps:
            if isinstance(step, KernelLaunch) and step.symbol not in (*kernels, *skip):
                others = artifact.alternatives.get(step.symbol, ())
                if others:
                    say(f"kernel {step.symbol} {step.label}")
                    with _scratch(program, step.arguments, device, seed) as scratch:
                        kernels[step.symbol] = scratch.fastest_kernel(step, others, cubins)
    records = replace(known, calls=calls, kernels=kernels)
    keep(records)
    samples = _race(artifact, variants, records, cubins, device, rounds, seed, say)
    return replace(records, variants={**known.variants, **samples})


def _race(
    artifact: CudaArtifact,
    variants: Mapping[str, HostProgram],
    records: Records,
    cubins: Mapping[str, bytes],
    device: Device,
    rounds: int,
    seed: int,
    say: Say,
) -> dict[str, GpuSamples]:
    """Times of the variants whose outputs agree with the first one's."""
    algorithms = records.algorithms(records.environment)
    reference: dict[str, Array] | None = None
    with ExitStack() as resources:
        stream = device.make_stream()
        resources.callback(device.destroy_stream, stream)
        racing: dict[str, Contender] = {}
        for name, variant in variants.items():
            say(f"variant {name}")
            program = with_kernels(variant, records, artifact.alternatives)
            try:
                runner = CudaProgram(program, device, cubins, artifact.constants, algorithms)
            except Unsupported as error:
                say(f"dropped {name}: {error}")
                continue
            resources.callback(runner.close)
            runner.write_inputs({b.name: random_values(b, seed) for b in runner.inputs})
            entry = contender(runner, stream)
            entry.once()
            device.synchronize(stream)
            outputs = runner.read_outputs()
            if reference is None:
                reference = outputs
            worst = max(libraries.relative_difference(outputs[n], reference[n]) for n in reference)
            if worst > AGREEMENT[artifact.precision]:
                say(f"dropped {name}: its outputs differ by {worst:.1e}")
                continue
            racing[name] = entry
        say("timing")
        return time_programs(racing, device, stream, rounds, seed)


def _cubins(artifact: CudaArtifact, device: Device) -> Mapping[str, bytes]:
    chip = best_chip(artifact.cubins, device.properties.capability)
    return artifact.cubins[chip] if chip else {}


def random_values(buffer: Buffer, seed: int) -> Array:
    """Values of a buffer's shape, in [-1, 1) or 0 and 1; a large one repeats itself."""
    return random_flat(buffer.elements, buffer.dtype, seed).reshape(buffer.shape)


def random_flat(elements: int, dtype: str, seed: int) -> Array:
    generator = np.random.default_rng((seed, elements))
    type_ = np.dtype(NUMPY_DTYPES[dtype])
    count = min(elements, _TILE)
    if dtype.startswith("i"):
        tile = generator.integers(0, 2, count).astype(type_)
    else:
        tile = generator.uniform(-1.0, 1.0, count).astype(type_)
    return np.resize(tile, elements)


@dataclass
class _Scratch:
    """Memory of its own for the buffers of one step, filled with random values."""

    buffers: dict[str, Buffer]
    addresses: dict[str, int]
    device: Device
    stream: int
    resources: ExitStack
    result: str

    def fastest_algorithm(self, call: LibraryCall) -> CallRecord | None:
        """The library's fastest algorithm; None where it has none."""
        try:
            found = libraries.search(
                call, self.addresses.__getitem__, self.device.handles, self.time, self.run
            )
        except Unsupported:
            return None
        return CallRecord(found[0][0], found[0][1])

    def fastest_kernel(
        self, step: KernelLaunch, others: Sequence[KernelLaunch], cubins: Mapping[str, bytes]
    ) -> KernelRecord:
        """The fastest schedule of a kernel, its own among them."""
        addresses = tuple(self.addresses[name] for name in step.arguments)
        contenders: dict[str, Contender] = {}
        for choice in (step, *others):
            module, kernel = self.device.load(cubins[choice.symbol], choice.symbol)
            self.resources.callback(self.device.unload, module)
            self.device.allow_shared(kernel, choice.shared)
            launch = Launch(kernel, choice.grid, choice.block, choice.shared, addresses)
            contenders[choice.symbol] = self.graph(
                lambda launch=launch: self.device.launch(launch, self.stream)
            )
        samples = time_programs(
            contenders, self.device, self.stream, rounds=8, warm_up=1, cold=False
        )
        best = min(samples, key=lambda symbol: samples[symbol].median)
        return KernelRecord(best, {s: t.median * 1e-6 for s, t in samples.items()})

    def graph(self, enqueue: Callable[[], None]) -> Contender:
        """Graphs of several runs: as many as `RUNS`, fewer of what takes long."""
        enqueue()
        self.device.synchronize(self.stream)
        start, end = self.device.make_event(), self.device.make_event()
        self.device.record(start, self.stream)
        enqueue()
        self.device.record(end, self.stream)
        one = self.device.elapsed(start, end)
        self.device.destroy_event(start)
        self.device.destroy_event(end)
        runs = max(1, min(RUNS, int(_REPLAY / max(one, 1.0))))

        def several() -> None:
            for _ in range(runs):
                enqueue()

        many = self.device.capture(self.stream, several)
        self.resources.callback(many.close)
        replay: Callable[[], None] = lambda: many.launch(self.stream)  # noqa: E731
        return Contender(replay, replay, runs)

    def time(self, prepared: Mapping[str, Prepared]) -> dict[str, float]:
        """Seconds of library calls."""
        with self.workspace(prepared.values()) as workspace:
            contenders = {
                name: self.graph(lambda call=p: call.launch(self.stream, workspace))
                for name, p in prepared.items()
            }
            samples = time_programs(
                contenders, self.device, self.stream, rounds=4, warm_up=1, cold=False
            )
        return {name: s.median * 1e-6 for name, s in samples.items()}

    def run(self, prepared: Prepared) -> Array:
        """The first and last elements of a call's result, which held something else before."""
        result = self.buffers[self.result]
        address = self.addresses[self.result]
        self.device.fill(address, 0x3B, result.bytes, self.stream)
        try:
            with self.workspace([prepared]) as workspace:
                prepared.launch(self.stream, workspace)
                self.device.synchronize(self.stream)
        except CudaError as error:
            raise Unsupported(str(error)) from error
        dtype = np.dtype(NUMPY_DTYPES[result.dtype])
        head = np.empty(min(result.elements, _SAMPLE), dtype)
        tail = np.empty_like(head)
        last = address + (result.elements - len(tail)) * dtype.itemsize
        self.device.download(address, head, self.stream)
        self.device.download(last, tail, self.stream)
        return np.concatenate([head, tail])

    @contextmanager
    def workspace(self, calls: Any) -> Generator[int]:
        size = max((p.workspace for p in calls), default=0)
        memory = self.device.allocate(size, "the library calls' workspaces")
        try:
            yield memory.address
        finally:
            self.device.synchronize(self.stream)
            memory.free()


@contextmanager
def _scratch(
    program: HostProgram, names: Sequence[str], device: Device, seed: int
) -> Generator[_Scratch]:
    device.make_current()
    with ExitStack() as resources:
        stream = device.make_stream()
        resources.callback(device.destroy_stream, stream)
        buffers = {name: program.buffer(name) for name in names}
        addresses: dict[str, int] = {}
        for name, buffer in buffers.items():
            memory = device.allocate(buffer.bytes, f"buffer {name}")
            resources.callback(memory.free)
            device.upload(memory.address, random_flat(buffer.elements, buffer.dtype, seed), stream)
            addresses[name] = memory.address
        yield _Scratch(buffers, addresses, device, stream, resources, names[-1])
