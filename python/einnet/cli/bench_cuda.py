"""What `einnet bench` measures on a GPU: the chosen variant beside the original one.

An artifact is measured with what every GPU host has, and its two programs are compared with each
other. A model is compiled first, and both are compared with a double-precision reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from einnet.cli.measure import print_progress
from einnet.options import Options
from einnet.runtime.cuda.arrays import NUMPY_DTYPES
from einnet.runtime.cuda.artifact import CudaArtifact, executable, load_cuda_artifact
from einnet.runtime.cuda.device import Device, open_device
from einnet.runtime.cuda.exclusive import alone
from einnet.runtime.cuda.executor import CudaProgram
from einnet.runtime.cuda.forms import ORIGINAL, fastest_original
from einnet.runtime.cuda.records import Environment, environment_of
from einnet.runtime.cuda.timing import GpuSamples, contender, time_programs
from einnet.runtime.cuda.trial import random_values
from einnet.runtime.cuda.tune import AGREEMENT

if TYPE_CHECKING:
    from einnet.driver_cuda import CudaCompilation
    from einnet.expr.program import Program

Array = NDArray[Any]

_ROUNDING = {"fp32": 0.0, "tf32": 2.0**-11, "fp16": 2.0**-11, "bf16": 2.0**-8}
"""How far a number is from its rounded one, relative to it; sums are f32 in every precision."""

_SAFETY = 8.0
"""Standard deviations of the rounding error that are allowed, as in `tuning/reference.py`."""


@dataclass(frozen=True)
class GpuBenchmark:
    """Samples of each side by name, and each one's largest error over all outputs: against what
    `reference` says, `allowed` at most. `variant` is the one that "einnet" runs."""

    samples: Mapping[str, GpuSamples]
    errors: Mapping[str, float]
    reference: str
    allowed: float
    variant: str
    environment: Environment
    notes: tuple[str, ...]

    @property
    def correct(self) -> bool:
        return all(error <= self.allowed for error in self.errors.values())

    def to_json(self) -> dict[str, object]:
        return {
            "environment": asdict(self.environment),
            "variant": self.variant,
            "errors": dict(self.errors),
            "reference": self.reference,
            "allowed": self.allowed,
            "notes": self.notes,
            "samples": {name: s.to_json() for name, s in self.samples.items()},
        }


def bench_artifact(folder: Path, rounds: int, seed: int) -> GpuBenchmark:
    """Time the chosen variant of an artifact and its original, on the same random inputs.

    Outputs are compared in the Euclidean norm. Raises EinnetError as `executable`, for either.
    """
    artifact = load_cuda_artifact(folder)
    device = open_device()
    inputs = {
        name: random_values(artifact.program.buffer(name), seed) for name in artifact.program.inputs
    }
    samples, outputs = _race(artifact, device, inputs, rounds, seed)
    errors: dict[str, float] = {}
    notes = _notes(artifact, device)
    if ORIGINAL in outputs:
        pairs = zip(outputs["einnet"], outputs[ORIGINAL], strict=True)
        errors["einnet"] = max((_difference(mine, other) for mine, other in pairs), default=0.0)
    else:
        notes = (*notes, "the artifact has no other original: nothing was derived, or it failed")
    return GpuBenchmark(
        samples,
        errors,
        "the original",
        AGREEMENT[artifact.precision],
        artifact.chosen,
        environment_of(device, artifact.precision),
        notes,
    )


def bench_compilation(compilation: CudaCompilation, options: Options, rounds: int) -> GpuBenchmark:
    """Time the chosen variant of a compilation and the original, on the same random inputs.

    Outputs are compared with the program in double precision, largest difference by largest
    element; inputs are rounded to what the artifact takes before.
    """
    from einnet.driver_cuda import write_compilation
    from einnet.tuning.candidates import random_array
    from einnet.tuning.reference import reference_outputs, relative_error

    device = open_device()
    program = compilation.race.program
    weights = compilation.race.values.weights
    with TemporaryDirectory(prefix="einnet-") as scratch:
        folder = Path(scratch) / "bench.einnet"
        write_compilation(compilation, folder, options)
        artifact = load_cuda_artifact(folder)
        inputs = {
            t.name: random_array(t, options.seed).astype(
                NUMPY_DTYPES[artifact.program.buffer(t.name).dtype]
            )
            for t in program.inputs
            if t.name not in program.weights
        }
        samples, outputs = _race(artifact, device, inputs, rounds, options.seed)
        notes = _notes(artifact, device)
    named = reference_outputs(program, weights, inputs)
    expected = [named[t.name] for t in program.outputs]
    errors = {side: relative_error(results, expected) for side, results in outputs.items()}
    return GpuBenchmark(
        samples,
        errors,
        "float64",
        allowed_error(program, options.precision),
        artifact.chosen,
        environment_of(device, options.precision),
        notes,
    )


def allowed_error(program: Program, precision: str) -> float:
    """The allowed error of an output relative to its largest element.

    Beside the rounding of sums in the model's own types, each definition rounds what it reads: the
    errors of a sum's terms are as random as its terms, so they grow with the number of definitions
    alone.
    """
    from einnet.tuning.reference import tolerance

    rounded = _SAFETY * _ROUNDING[precision] * sqrt(max(1, len(program.definitions)))
    return tolerance(program) + rounded


def _race(
    artifact: CudaArtifact, device: Device, inputs: Mapping[str, Array], rounds: int, seed: int
) -> tuple[dict[str, GpuSamples], dict[str, list[Array]]]:
    """Samples and outputs in order, of the chosen variant as "einnet", and of the original if it is
    in the artifact, in its fastest form as far as that is known. Where they are one, it is timed
    once."""
    names = {"einnet": artifact.chosen}
    measured = artifact.records.variants if artifact.records is not None else {}
    known = {name: s for name, s in measured.items() if name in artifact.variants}
    original = fastest_original(known) or ORIGINAL
    if artifact.chosen != original and original in artifact.variants:
        names[ORIGINAL] = original
    with ExitStack() as resources:
        stream = device.make_stream()
        resources.callback(device.destroy_stream, stream)
        programs: dict[str, CudaProgram] = {}
        for side, variant in names.items():
            programs[side] = executable(artifact, variant, device)
            resources.callback(programs[side].close)
            programs[side].write_inputs(inputs)
        with alone(device, _say):
            contenders = {side: contender(program, stream) for side, program in programs.items()}
            for entry in contenders.values():
                entry.once()
            device.synchronize(stream)
            outputs = {side: _outputs(program) for side, program in programs.items()}
            samples = time_programs(contenders, device, stream, rounds, seed)
    if artifact.chosen == original:
        samples[ORIGINAL], outputs[ORIGINAL] = samples["einnet"], outputs["einnet"]
    return samples, outputs


def _say(line: str) -> None:
    if line:
        print_progress(line)


def _outputs(program: CudaProgram) -> list[Array]:
    named = program.read_outputs()
    return [named[name] for name in program.program.outputs]


def _difference(result: Array, other: Array) -> float:
    """The norm of the difference relative to that of `other`; infinite if it is not finite."""
    wide = other.astype(np.float64)
    norm = float(np.linalg.norm(result.astype(np.float64) - wide))
    return norm / (float(np.linalg.norm(wide)) or 1.0) if np.isfinite(norm) else float("inf")


def _notes(artifact: CudaArtifact, device: Device) -> tuple[str, ...]:
    """What keeps the figures from being the best that the artifact could do here."""
    if artifact.records is None:
        return (
            "no records: the variant is chosen by estimates, library calls take the first"
            " algorithm; `einnet measure` the artifact and compile with --records",
        )
    here = environment_of(device, artifact.precision)
    if artifact.records.environment != here:
        there = artifact.records.environment
        differing = ", ".join(
            f"{name} {value or 'unknown'}"
            for name, value in asdict(there).items()
            if value != getattr(here, name)
        )
        return (f"the records are of elsewhere, and their algorithms are not used: {differing}",)
    return ()
