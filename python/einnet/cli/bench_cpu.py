"""What `einnet bench` measures on a CPU: the optimized program beside others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from einnet.codegen.cpu.call import Array
from einnet.codegen.cpu.isolated import lower_isolated
from einnet.codegen.cpu.openblas import set_threads
from einnet.driver import Compilation
from einnet.errors import ToolchainError
from einnet.expr.program import Opaque
from einnet.options import Options
from einnet.runtime.measure import Samples, measure
from einnet.runtime.program import jit_program
from einnet.toolchain.doctor import environment
from einnet.tuning.candidates import random_array
from einnet.tuning.peers import onnxruntime_runner
from einnet.tuning.reference import reference_outputs, relative_error, tolerance


@dataclass(frozen=True)
class Benchmark:
    """Samples of each side, and each one's largest error against the reference, relative to the
    largest element of the output."""

    samples: dict[str, Samples]
    errors: dict[str, float]
    tolerance: float
    notes: tuple[str, ...]
    environment: dict[str, object]

    @property
    def correct(self) -> bool:
        return all(error <= self.tolerance for error in self.errors.values())


def benchmark(compilation: Compilation, options: Options, runs: int) -> Benchmark:
    """Time the optimized program, the unoptimized one and, for ONNX models, ONNX Runtime.

    All run in this process on the same inputs, interleaved, with `options.threads` threads where
    they can use them. Outputs are compared with the double-precision reference, or, if a part of
    the program has no expression, with the unoptimized program. A peer that is not installed or
    refuses the model is left out, and a note says so.
    """
    model = compilation.model
    program = compilation.program
    inputs = {
        t.name: random_array(t, options.seed)
        for t in program.inputs
        if t.name not in program.weights
    }
    arrays = tuple(inputs.values())
    set_threads(options.threads)
    optimized = jit_program(compilation.lowered, model.weights)
    unoptimized = jit_program(
        lower_isolated(model.mlir, model.entry, str(model.source)), model.weights
    )
    sides: dict[str, Callable[[], Sequence[Array]]] = {
        "einnet": lambda: optimized(*arrays),
        "unoptimized": lambda: unoptimized(*arrays),
    }
    notes: list[str] = []
    if model.source.suffix == ".onnx":
        try:
            runner, version = onnxruntime_runner(model.source, options.threads, inputs)
        except ToolchainError as error:
            notes.append(f"not in the table: {error}")
        else:
            sides["ONNX Runtime"] = runner
            notes.append(f"ONNX Runtime {version}, all graph optimizations")
    if any(isinstance(s, Opaque) for s in program.statements):
        notes.append("errors are against the unoptimized program: it is not all expressions")
        reference = unoptimized(*arrays)
    else:
        named = reference_outputs(program, model.weights, inputs)
        reference = [named[t.name] for t in program.outputs]
    allowed = tolerance(program)
    errors = {name: relative_error(run(), reference) for name, run in sides.items()}
    slow = {"unoptimized": sides.pop("unoptimized")}
    samples = measure(sides, repetitions=runs, seed=options.seed)
    samples |= measure(slow, repetitions=max(1, min(3, runs)), warm_up=0)
    notes += [
        f"{name}: largest error {error:.1e} of the largest element (allowed {allowed:.1e})"
        for name, error in errors.items()
    ]
    return Benchmark(samples, errors, allowed, tuple(notes), environment())
