"""Trying alternatives of one step of a host program, in memory of their own.

The host's share of a trial is kept small, since a model has dozens of steps and a step dozens of
alternatives: one stream, pair of events and workspace for all, results compared by a sample, a
glance of a few runs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einnet.codegen.gpu.host import Buffer, HostProgram, KernelLaunch
from einnet.runtime.cuda.algorithm import Candidate, Unsupported
from einnet.runtime.cuda.arrays import NUMPY_DTYPES
from einnet.runtime.cuda.call import Prepared
from einnet.runtime.cuda.device import CudaError, Device, Graph, Launch, Memory, OutOfMemory
from einnet.runtime.cuda.exclusive import alone
from einnet.runtime.cuda.timing import RUNS, Contender, Stopwatch, runs_within, time_programs

Array = NDArray[Any]

_GLANCE = (100.0, 8)
_REPLAY = (4000.0, RUNS)
"""Microseconds and runs of one replay, at most, at a glance and in a heat; a run at least. A heat's
last as long as the replays of whole programs, so that clocks and power are those of steady work.
"""

_TRIES, _LONG = 3, 1000.0
"""A run is timed so many times, and the shortest counts, unless it takes this many microseconds:
whatever holds up the host makes a measurement longer and none shorter."""

_DELAY = 50.0
"""Microseconds that the host may need to enqueue a single run, which the GPU waits for."""

_SAMPLE = 1 << 15
"""Elements at either end of a result that are compared, at most."""

_TILE = 65537
"""Random elements that a larger buffer repeats: a prime, so that no dimension repeats with them."""


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


@contextmanager
def trial(
    program: HostProgram,
    names: Sequence[str],
    device: Device,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
) -> Generator[Trial]:
    """Memory for the buffers of one step, filled with random values; the last one is the result.

    `say` hears an empty line, as a sign of life, before each measurement, and what `alone` says.
    """
    device.make_current()
    with ExitStack() as resources:
        stream = device.make_stream()
        resources.callback(device.destroy_stream, stream)
        stopwatch = resources.enter_context(Stopwatch(device, stream))
        addresses: dict[str, int] = {}
        for name in dict.fromkeys(names):
            buffer = program.buffer(name)
            memory = device.allocate(buffer.bytes, f"buffer {name}")
            resources.callback(memory.free)
            device.upload(memory.address, random_flat(buffer.elements, buffer.dtype, seed), stream)
            addresses[name] = memory.address
        made = Trial(device, stream, stopwatch, addresses, program.buffer(names[-1]), say)
        resources.callback(made.close)
        yield made


class Trial:
    """A `Bench` for the alternatives of one step."""

    def __init__(
        self,
        device: Device,
        stream: int,
        stopwatch: Stopwatch,
        addresses: Mapping[str, int],
        result: Buffer,
        say: Callable[[str], None],
    ) -> None:
        self.device = device
        self.addresses = addresses
        self._stream = stream
        self._stopwatch = stopwatch
        self._result = result
        self._say = say
        self._workspace: Memory | None = None
        self._modules: list[int] = []

    def close(self) -> None:
        """Free what the alternatives needed."""
        self.device.synchronize(self._stream)
        for module in self._modules:
            self.device.unload(module)
        if self._workspace is not None:
            self._workspace.free()

    def alone(self) -> AbstractContextManager[None]:
        return alone(self.device, self._say)

    def schedules(
        self, step: KernelLaunch, others: Iterable[KernelLaunch], cubins: Mapping[str, bytes]
    ) -> list[Candidate]:
        """A kernel in its own schedule and in others, under the names of their symbols."""
        found: list[Candidate] = []
        addresses = tuple(self.addresses[name] for name in step.arguments)
        for choice in (step, *others):
            module, kernel = self.device.load(cubins[choice.symbol], choice.symbol)
            self._modules.append(module)
            self.device.allow_shared(kernel, choice.shared)
            launch = Launch(kernel, choice.grid, choice.block, choice.shared, addresses)
            found.append(Candidate({"name": choice.symbol}, _Kernel(self.device, launch)))
        return found

    def run(self, prepared: Prepared) -> Array:
        """The first and last elements of the result of one run."""
        self._say("")
        result = self._result
        address = self.addresses[result.name]
        with self._surviving():
            workspace = self._room(prepared.workspace)
            self.device.fill(address, 0x3B, result.bytes, self._stream)
            prepared.launch(self._stream, workspace)
            self.device.synchronize(self._stream)
        dtype = np.dtype(NUMPY_DTYPES[result.dtype])
        count = min(result.elements, _SAMPLE)
        sample = np.empty(2 * count, dtype)
        last = address + (result.elements - count) * dtype.itemsize
        self.device.download(address, sample[:count], self._stream)
        self.device.download(last, sample[count:], self._stream)
        return sample

    def glance(self, prepared: Prepared) -> float:
        """Seconds of one run, by short replays, each straight after one that is not timed."""
        self._say("")
        with self._surviving():
            workspace = self._room(prepared.workspace)
            graph, runs = self._replayable(prepared, workspace, _GLANCE)
            try:
                elapsed = self._shortest(_replaying(graph, self._stream), before=True)
            finally:
                graph.close()
        return elapsed / runs * 1e-6

    def time(self, prepared: Mapping[str, Prepared], rounds: int) -> dict[str, float]:
        """Seconds of one run of each, medians of interleaved replays."""
        contenders: dict[str, Contender] = {}
        with ExitStack() as graphs:
            workspace = self._room(max(p.workspace for p in prepared.values()))
            for name, alternative in prepared.items():
                try:
                    with self._surviving():
                        graph, runs = self._replayable(alternative, workspace, _REPLAY)
                except Unsupported:
                    continue
                graphs.callback(graph.close)
                replay = _replaying(graph, self._stream)
                contenders[name] = Contender(replay, replay, runs)
            samples = time_programs(
                contenders,
                self.device,
                self._stream,
                rounds,
                warm_up=1,
                cold=False,
                beat=lambda: self._say(""),
            )
        return {name: s.median * 1e-6 for name, s in samples.items()}

    def _replayable(
        self, prepared: Prepared, workspace: int, limit: tuple[float, int]
    ) -> tuple[Graph, int]:
        """A graph of as many runs as the limit allows, and their number."""
        launch: Callable[[], None] = lambda: prepared.launch(self._stream, workspace)  # noqa: E731
        microseconds, most = limit
        runs = runs_within(microseconds, self._shortest(launch) - _DELAY, most)

        def several() -> None:
            for _ in range(runs):
                launch()

        return self.device.capture(self._stream, several), runs

    def _shortest(self, run: Callable[[], None], *, before: bool = False) -> float:
        """Microseconds of the shortest of a few runs; `before`: each after one untimed."""
        shortest = float("inf")
        for _ in range(_TRIES):
            if before:
                run()
            shortest = min(shortest, self._stopwatch.time(run))
            if shortest > _LONG:
                break
        return shortest

    def _room(self, size: int) -> int:
        """The address of a workspace of `size` bytes; no graph that uses the one before may run."""
        if self._workspace is None or self._workspace.bytes < size:
            self.device.synchronize(self._stream)
            if self._workspace is not None:
                self._workspace.free()
                self._workspace = None
            try:
                self._workspace = self.device.allocate(size, "the library calls' workspaces")
            except OutOfMemory as error:
                raise Unsupported(error.message) from error
        return self._workspace.address

    @contextmanager
    def _surviving(self) -> Generator[None]:
        """Turn an error of CUDA into `Unsupported`, unless the device cannot be used any more."""
        try:
            yield
        except CudaError as error:
            self.device.synchronize(self._stream)  # raises if the error has stayed
            raise Unsupported(str(error)) from error


@dataclass(frozen=True)
class _Kernel:
    """A generated kernel as what is prepared to run."""

    device: Device
    call: Launch
    workspace: int = 0

    def launch(self, stream: int, workspace: int) -> None:  # noqa: ARG002 - the protocol's
        self.device.launch(self.call, stream)


def _replaying(graph: Graph, stream: int) -> Callable[[], None]:
    return lambda: graph.launch(stream)
