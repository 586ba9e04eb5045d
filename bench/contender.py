"""What is measured: a workload, and programs that contend for the shortest time on it.

Ours comes through one function, `Build`, of a module that the command line names; the peers are
made by `peers_torch.py` and `peers_jax.py`. All see the same inputs and weights, and each may have
its tensors in the layout that suits it; whatever it computes at inference is inside its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from einnet.expr.program import Program
from einnet.runtime.cuda.timing import Contender as Replays


class Contender(Protocol):
    """A program that computes one workload on the device."""

    @property
    def name(self) -> str: ...

    def capture(self, stream: int) -> Replays:
        """CUDA graphs of many calls and of one, on the same buffers, enqueued on `stream`."""
        ...

    def output(self) -> NDArray[Any]:
        """The result that a replay of the captured graphs leaves, in the workload's layout."""
        ...


class HostTimed(Protocol):
    """A program whose device work cannot be put on a stream of ours: the host times it."""

    @property
    def name(self) -> str: ...

    def sample(self) -> float:
        """Microseconds of one call, from one measurement."""
        ...

    def output(self) -> NDArray[Any]: ...


class Built(Protocol):
    """A workload as our compiler made it: its fastest candidate."""

    @property
    def provenance(self) -> str:
        """ "derived" if the candidate holds a derived plan, else "original"."""
        ...

    @property
    def candidates(self) -> Mapping[str, float]:
        """Median microseconds of every candidate that was in the race, by its description."""
        ...

    @property
    def algorithms(self) -> Sequence[str]:
        """The library calls, in order, that have an algorithm which was measured to be best."""
        ...

    def capture(self, stream: int) -> Replays: ...

    def output(self) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Ours:
    """A contender of ours; `axes` permute its result into the layout that is compared."""

    name: str
    built: Built
    axes: tuple[int, ...] | None = None

    def capture(self, stream: int) -> Replays:
        return self.built.capture(stream)

    def output(self) -> NDArray[Any]:
        output = self.built.output()
        return output if self.axes is None else output.transpose(self.axes)


@dataclass(frozen=True)
class Workload:
    """An operator (a program) or a model (an ONNX file) with its inputs and weights.

    `name` is unique among all workloads, layouts and precision included. `weights` are those of a
    program; an ONNX file brings its own, in f32. Arrays are in the element type of the precision
    (bf16 as ml_dtypes' bfloat16).
    """

    name: str
    source: Program | Path
    inputs: Mapping[str, NDArray[Any]]
    weights: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, NDArray[Any]])


class Build(Protocol):
    """Compiles a workload, measuring its candidates while no other process measures. Raises
    `EinnetError` for what it cannot compile."""

    def __call__(self, workload: Workload, precision: str) -> Built: ...


TOLERANCE = {"fp32": 1e-5, "tf32": 3e-3, "fp16": 3e-3, "bf16": 2.4e-2}
"""Allowed error by precision: six units of rounding of an operand (2^-11 in tf32 and fp16, 2^-8 in
bf16), which random errors of a sum do not exceed relative to the sum; in fp32, where the order of
summation and Winograd's transformation matter more than rounding of operands, 80."""


@dataclass(frozen=True)
class Error:
    """How far a result is from the reference: the norm of the difference relative to that of the
    reference, and the largest difference relative to the largest element."""

    norm: float
    largest: float

    def within(self, tolerance: float) -> bool:
        return isfinite(self.norm) and max(self.norm, self.largest) <= tolerance


def error_of(result: NDArray[Any], reference: NDArray[np.float64]) -> Error:
    """The error of a result; infinite if its shape is another or it holds what is not finite."""
    if result.shape != reference.shape:
        return Error(float("inf"), float("inf"))
    difference = result.astype(np.float64) - reference
    if not np.isfinite(difference).all():
        return Error(float("inf"), float("inf"))
    norm = float(np.linalg.norm(reference)) or 1.0
    largest = float(np.abs(reference).max(initial=0.0)) or 1.0
    return Error(
        float(np.linalg.norm(difference)) / norm,
        float(np.abs(difference).max(initial=0.0)) / largest,
    )
