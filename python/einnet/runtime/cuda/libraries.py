"""Library calls of either kind: preparing one, and searching for its fastest algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from einnet.codegen.gpu.host import LibraryCall, MatrixProduct
from einnet.runtime.cuda import convolution, matmul
from einnet.runtime.cuda.algorithm import Record
from einnet.runtime.cuda.call import Addresses, Handles, Prepared
from einnet.runtime.cuda.ranking import Bench, Ranking, rank

GROSS = {"f64": 1e-6, "f32": 0.05, "f16": 0.05, "bf16": 0.1}
"""A relative difference (in the Euclidean norm) between two algorithms' results that no rounding
explains, by the type of the result."""


@dataclass(frozen=True)
class Search:
    """What a search found; `proposing` is the seconds that the library took to propose and build
    its algorithms."""

    ranking: Ranking
    proposing: float

    @property
    def tried(self) -> int:
        return len(self.ranking.order) + len(self.ranking.dropped)


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
    bench: Bench,
    limit: int | None = None,
) -> Search:
    """The library's algorithms for a call, ranked; at most `limit` (the library's own).

    Algorithms that fail, or whose results differ grossly from the first one's, are left out. Raises
    as `prepare_call`, and `Unsupported` with the reason of each if not even one runs.
    """
    started = perf_counter()
    if isinstance(call, MatrixProduct):
        found = matmul.candidates(call, addresses, handles, limit or matmul.LIMIT)
    else:
        most = limit or convolution.search_limit(call)
        found = convolution.candidates(call, addresses, handles, most)
    proposing = perf_counter() - started
    return Search(rank(found, bench, GROSS[call.result]), proposing)
