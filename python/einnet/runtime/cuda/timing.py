"""Comparing GPU times: graph replays timed by events, interleaved in random order, samples kept.

Each round times every contender once, in an order drawn anew, so that drift of the clocks falls on
all alike, and two contenders can be compared round by round. A hot sample replays many runs on the
same buffers, straight after untimed replays that fill the L2 cache. A cold sample replays one run
after a buffer larger than the L2 cache was written, which is outside of the time. What comes before
a sample also keeps the GPU busy while the host enqueues it, be it in no hurry.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from typing import cast

from einnet.runtime.cuda.device import Device
from einnet.runtime.cuda.executor import CudaProgram

Runnable = Callable[[], None]
"""Enqueues work on the stream that is timed, and does not wait for it."""

RUNS = 20
"""Runs in one hot replay."""

AHEAD = 200.0
"""Microseconds of work that the GPU has before what is timed, about: as long as the host may need
to enqueue that, while other processes compile."""

NOISE = 0.005
"""A lead of less than this share is noise, however steady it is."""


@dataclass(frozen=True)
class Contender:
    """What is timed: `many` enqueues `runs` runs, `once` one; both best replay a graph."""

    many: Runnable
    once: Runnable
    runs: int = RUNS


@dataclass(frozen=True)
class GpuSamples:
    """Microseconds of a run, one sample for each round in the order of the rounds: `hot` with its
    buffers in the L2 cache as far as they fit, `cold` without (may be empty)."""

    hot: tuple[float, ...]
    cold: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        """The median hot time: what decides."""
        return median(self.hot)

    @property
    def cold_median(self) -> float | None:
        return median(self.cold) if self.cold else None

    @property
    def spread(self) -> float:
        """The interquartile range of the hot times."""
        return _spread(self.hot)

    def to_json(self) -> dict[str, object]:
        return {
            "unit": "us",
            "median": self.median,
            "spread": self.spread,
            "cold_median": self.cold_median,
            "hot": list(self.hot),
            "cold": list(self.cold),
        }

    @staticmethod
    def from_json(data: object) -> GpuSamples:
        """Raises ValueError for anything that `to_json` does not write."""
        match data:
            case {"unit": "us", "hot": [_, *_], "cold": [*_]}:
                lists = cast(dict[str, list[object]], data)
                return GpuSamples(_times(lists["hot"]), _times(lists["cold"]))
            case _:
                raise ValueError("not samples of GPU times")


def runs_within(microseconds: float, one: float, most: int = RUNS) -> int:
    """How many runs that take `one` microsecond fit into a replay: at least 1, at most `most`."""
    return max(1, min(most, int(microseconds / max(one, 0.1))))


def contender(program: CudaProgram, stream: int, runs: int = RUNS) -> Contender:
    """A program as a contender on the stream that is timed: on its own buffers, whose inputs the
    caller has written. Random data: zeros can run faster than what is real."""
    many, once = program.capture(runs), program.capture()
    return Contender(lambda: many.launch(stream), lambda: once.launch(stream), runs)


def time_programs(
    contenders: Mapping[str, Contender],
    device: Device,
    stream: int,
    rounds: int = 30,
    seed: int = 0,
    warm_up: int = 3,
    cold: bool = True,
    beat: Callable[[], None] = lambda: None,
) -> dict[str, GpuSamples]:
    """Time each contender once a round, for `rounds` rounds after `warm_up` that are not kept.

    All contenders enqueue on `stream`; a peer's framework is told to. Rounds draw their order with
    `seed`; first all hot ones, then all cold ones. Garbage collection waits meanwhile. `beat` is
    called after every round, for whoever waits for a sign of life.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be positive, not {rounds}")
    device.make_current()
    hot: dict[str, list[float]] = {name: [] for name in contenders}
    chilled: dict[str, list[float]] = {name: [] for name in contenders}
    with ExitStack() as resources, _no_collection():
        stopwatch = resources.enter_context(Stopwatch(device, stream))

        shortest = dict.fromkeys(contenders, float("inf"))

        def time_hot(name: str) -> float:
            c = contenders[name]
            for _ in range(1 + int(AHEAD / shortest[name])):
                c.many()
            elapsed = stopwatch.time(c.many)
            shortest[name] = max(1.0, min(elapsed, shortest[name]))
            return elapsed / c.runs

        generator = random.Random(seed)
        passes = [(time_hot, hot)]
        if cold:
            size = 2 * device.properties.l2
            flush = device.allocate(size, "buffers that flush the cache")
            resources.callback(flush.free)

            def fill() -> None:
                device.fill(flush.address, generator.randrange(256), size, stream)

            fill()
            flushes = 1 + int(AHEAD / max(1.0, stopwatch.time(fill)))

            def time_cold(name: str) -> float:
                for _ in range(flushes):
                    fill()
                return stopwatch.time(contenders[name].once)

            passes.append((time_cold, chilled))
        for measure, samples in passes:
            generator.seed(seed)
            order = list(contenders)
            for round_ in range(-warm_up, rounds):
                generator.shuffle(order)
                for name in order:
                    elapsed = measure(name)
                    if round_ >= 0:
                        samples[name].append(elapsed)
                beat()
    return {name: GpuSamples(tuple(hot[name]), tuple(chilled[name])) for name in contenders}


def wins(challenger: GpuSamples, incumbent: GpuSamples) -> bool:
    """Whether the challenger's lead is more than noise, by hot times of the same rounds.

    Each round gives a ratio of the incumbent's time to the challenger's. Their median must exceed
    1 by more than half of their interquartile range, and by more than `NOISE`: were the two equal,
    a quarter of the rounds at least would say so.
    """
    ratios = [old / new for old, new in zip(incumbent.hot, challenger.hot, strict=True)]
    return median(ratios) > 1 + max(_spread(ratios) / 2, NOISE)


class Stopwatch:
    """A pair of events on a stream, while its context lasts."""

    def __init__(self, device: Device, stream: int) -> None:
        self._device = device
        self._stream = stream
        self._start, self._end = device.make_event(), device.make_event()

    def __enter__(self) -> Stopwatch:
        return self

    def __exit__(self, *_: object) -> None:
        self._device.destroy_event(self._start)
        self._device.destroy_event(self._end)

    def time(self, run: Runnable) -> float:
        """Microseconds that the GPU takes for what `run` enqueues."""
        self._device.record(self._start, self._stream)
        run()
        self._device.record(self._end, self._stream)
        return self._device.elapsed(self._start, self._end)


@contextmanager
def _no_collection() -> Generator[None]:
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _spread(values: tuple[float, ...] | list[float]) -> float:
    if len(values) < 2:
        return 0.0
    low, _, high = quantiles(values, n=4, method="inclusive")
    return high - low


def _times(values: list[object]) -> tuple[float, ...]:
    times = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(times) != len(values):
        raise ValueError("samples of GPU times are not numbers")
    return tuple(float(v) for v in times)
