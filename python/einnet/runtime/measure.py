"""Comparing running times: interleaved, in random order, with every sample kept.

On a shared machine speed drifts by tens of percent within a second. Running each candidate once a
round, in an order drawn anew, lets drift fall on all alike; medians then compare.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Samples:
    """Seconds of each run, in the order they were taken.

    `cpu` is of the whole process: with more threads than one it exceeds `wall`, and where the
    machine is busy with others it stays below.
    """

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median wall time."""
        return median(self.wall)

    @property
    def cpu_median(self) -> float:
        return median(self.cpu)

    @property
    def spread(self) -> float:
        """The interquartile range of the wall time."""
        if len(self.wall) < 2:
            return 0.0
        low, _, high = quantiles(self.wall, n=4, method="inclusive")
        return high - low

    def to_json(self) -> dict[str, object]:
        return {
            "median": self.median,
            "spread": self.spread,
            "cpu_median": self.cpu_median,
            "wall": list(self.wall),
            "cpu": list(self.cpu),
        }


def measure(
    callables: Mapping[str, Callable[[], object]],
    repetitions: int = 30,
    seed: int = 0,
    warm_up: int = 3,
) -> dict[str, Samples]:
    """Time each callable `repetitions` times, after `warm_up` runs that are not kept.

    One round runs each once, in an order drawn with `seed`. Garbage collection waits meanwhile.
    """
    if repetitions < 1:
        raise ValueError(f"repetitions must be positive, not {repetitions}")
    order = list(callables)
    wall: dict[str, list[float]] = {name: [] for name in order}
    cpu: dict[str, list[float]] = {name: [] for name in order}
    generator = random.Random(seed)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for round_ in range(-warm_up, repetitions):
            generator.shuffle(order)
            for name in order:
                run = callables[name]
                cpu_start, start = time.process_time_ns(), time.perf_counter_ns()
                run()
                end, cpu_end = time.perf_counter_ns(), time.process_time_ns()
                if round_ >= 0:
                    wall[name].append((end - start) * 1e-9)
                    cpu[name].append((cpu_end - cpu_start) * 1e-9)
    finally:
        if collecting:
            gc.enable()
    return {name: Samples(tuple(wall[name]), tuple(cpu[name])) for name in callables}
