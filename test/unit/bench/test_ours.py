"""Our contender of the GPU tables."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from bench.ours import Compiled

from einnet.codegen.gpu.host import Matrix, MatrixProduct, key_of
from einnet.runtime.cuda.records import CallRecord, Environment, Records

PRODUCT = MatrixProduct(
    1, 4, 4, 4, Matrix("x", 4), Matrix("w", 4), Matrix("t", 4), "f32", "f32", "fp32", label="p"
)
OTHER = replace(PRODUCT, m=8, label="p")


def compiled(records: Records | None) -> Compiled:
    compilation: Any = SimpleNamespace(records=records)
    program: Any = SimpleNamespace(program=SimpleNamespace(calls=(PRODUCT, OTHER, PRODUCT)))
    return Compiled("made up", compilation, program)


def test_algorithms_are_those_that_were_measured() -> None:
    """In the order of the calls; one of which nothing was found has none."""
    calls = {
        key_of(PRODUCT): CallRecord({"name": "algorithm 7"}, 1e-6),
        key_of(OTHER): CallRecord({}, 0.0),
    }
    records = Records(Environment("GPU", "", "", "", "", "fp32"), calls)
    assert list(compiled(records).algorithms) == ["p: algorithm 7"] * 2
    assert list(compiled(None).algorithms) == []
