"""Library calls of either kind: preparing one, and searching for its fastest algorithm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einnet.codegen.gpu.host import LibraryCall, MatrixProduct
from einnet.runtime.cuda import convolution, matmul
from einnet.runtime.cuda.algorithm import Candidate, Record, Unsupported
from einnet.runtime.cuda.call import Addresses, Handles, Prepared

Time = Callable[[Mapping[str, Prepared]], Mapping[str, float]]
"""Seconds of each of the calls, measured interleaved."""

Run = Callable[[Prepared], NDArray[Any]]
"""Runs a call once, from the same contents of all buffers, and returns the elements of its result,
which held something else before."""

FINALISTS = 6
ROUNDS = 2

_GROSS = {"f64": 1e-6, "f32": 0.05, "f16": 0.05, "bf16": 0.1}
"""A relative difference (in the Euclidean norm) between two algorithms' results that no rounding
explains, by the type of the result."""


def prepare_call(
    call: LibraryCall, addresses: Addresses, algorithm: Record | None, handles: Handles
) -> Prepared:
    """The call ready to run, with the algorithm recorded if the library accepts it.

    `Unsupported`: the library has nothing for this call. `ToolchainError`: it is missing.
    """
    if isinstance(call, MatrixProduct):
        return matmul.prepare_matmul(call, addresses, algorithm, handles)
    return convolution.prepare_convolution(call, addresses, algorithm, handles)


def search(
    call: LibraryCall,
    addresses: Addresses,
    handles: Handles,
    time: Time,
    run: Run,
    limit: int = 64,
) -> list[tuple[Record, float]]:
    """The library's algorithms for a call with their seconds, the fastest first.

    Algorithms that fail, or whose results differ grossly from the first one's, are left out. Raises
    as `prepare_call`, and `Unsupported` if not even the first algorithm runs.
    """
    library = matmul.candidates if isinstance(call, MatrixProduct) else convolution.candidates
    found = library(call, addresses, handles, limit)  # pyright: ignore[reportArgumentType]
    sound = agreeing(found, run, _GROSS[call.result])
    return tournament(sound, time)


def agreeing(found: Sequence[Candidate], run: Run, tolerance: float) -> list[Candidate]:
    """The candidates that run and whose result agrees with that of the first that does."""
    kept: list[Candidate] = []
    reference: NDArray[np.float64] | None = None
    refusal = "no algorithm"
    for candidate in found:
        try:
            result = np.asarray(run(candidate.prepared), np.float64)
        except Unsupported as error:
            refusal = str(error)
            continue
        if reference is None:
            if not np.isfinite(result).all():
                refusal = f"{candidate.algorithm['name']} computes no finite result"
                continue
            reference = result
        if relative_difference(result, reference) <= tolerance:
            kept.append(candidate)
    if not kept:
        raise Unsupported(refusal)
    return kept


def tournament(found: Sequence[Candidate], time: Time) -> list[tuple[Record, float]]:
    """All candidates are timed once; the best `FINALISTS` then `ROUNDS` times more, and ranked by
    the medians of these, before the others."""
    prepared = {f"{i} {c.algorithm['name']}": c.prepared for i, c in enumerate(found)}
    records = {name: c.algorithm for name, c in zip(prepared, found, strict=True)}
    first = time(prepared)
    ranking = sorted(prepared, key=lambda name: first[name])
    finalists = ranking[:FINALISTS]
    rounds = [time({name: prepared[name] for name in finalists}) for _ in range(ROUNDS)]
    final = {name: median(r[name] for r in rounds) for name in finalists}
    best = sorted(finalists, key=lambda name: final[name])
    return [
        *((records[name], final[name]) for name in best),
        *((records[name], first[name]) for name in ranking[FINALISTS:]),
    ]


def relative_difference(result: NDArray[Any], reference: NDArray[Any]) -> float:
    """`|result - reference| / |reference|` in the Euclidean norm; infinite if it is not finite."""
    wide = np.asarray(reference, np.float64)
    difference = float(np.linalg.norm((np.asarray(result, np.float64) - wide).ravel()))
    if not np.isfinite(difference):
        return float("inf")
    return difference / max(float(np.linalg.norm(wide.ravel())), float(np.finfo(np.float64).tiny))
