"""Timing of candidate programs on the CPU: each is emitted, lowered, compiled and run.

All candidates of a subprogram get the same random data, run interleaved in random order in one
process, and include every layout copy, offset-add and correction that they need. Weights are laid
out again before the clock starts, as they are in an artifact.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import numpy as np

from einnet.bridge.emit import emit_program
from einnet.codegen.cpu.lower import lower
from einnet.codegen.cpu.signature import NUMPY_DTYPES
from einnet.expr.nodes import Tensor
from einnet.runtime.measure import Samples, measure
from einnet.runtime.program import jit_program
from einnet.toolchain.mlir import make_context
from einnet.verify.plan import VerifiedProgram

_FAR_SLOWER = 10.0
"""A candidate that needs this many times the fastest one's time is not run again."""


def time_candidates(
    candidates: Mapping[str, VerifiedProgram], repetitions: int, seed: int
) -> dict[str, Samples]:
    """Seconds of each program. A program far slower than the fastest keeps its one first run."""
    runs = {name: _runnable(c, seed) for name, c in candidates.items()}
    first = measure(runs, repetitions=1, seed=seed, warm_up=0)
    fastest = min(s.median for s in first.values())
    close = {n: r for n, r in runs.items() if first[n].median <= _FAR_SLOWER * fastest}
    return {**first, **measure(close, repetitions=repetitions, seed=seed, warm_up=1)}


def _runnable(candidate: VerifiedProgram, seed: int) -> Callable[[], object]:
    program = candidate.program
    module = emit_program(program, make_context())
    weights = {t.name: random_array(t, seed) for t in program.inputs if t.name in program.weights}
    executable = jit_program(lower(str(module)), weights)
    inputs = [random_array(t, seed) for t in program.inputs if t.name not in program.weights]
    return lambda: executable(*inputs)


def random_array(tensor: Tensor, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """Reproducible data of a tensor's shape, the same for the same name.

    Floating-point numbers are uniform in [-1, 1), integers 0 or 1: they may be indices.
    """
    generator = np.random.default_rng((seed, zlib.crc32(tensor.name.encode())))
    dtype = np.dtype(NUMPY_DTYPES[tensor.dtype])
    if dtype.kind == "f":
        return generator.uniform(-1.0, 1.0, tensor.shape).astype(dtype)
    return generator.integers(0, 2, tensor.shape).astype(dtype)
