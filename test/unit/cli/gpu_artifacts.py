"""Artifacts for the device in host memory, and records of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from einnet.codegen.gpu.host import Buffer, HostProgram, KernelLaunch, Matrix, MatrixProduct, key_of
from einnet.runtime.cuda.artifact import write_cuda_artifact
from einnet.runtime.cuda.records import CallRecord, Environment, KernelRecord, Records
from einnet.runtime.cuda.timing import GpuSamples
from einnet.verify.certificate import Certificate, Segment
from einnet.verify.field import random_primes

_fake: Any = import_module("fake_device")  # conftest.py has its folder on the path

PROGRAM: HostProgram = _fake.PROGRAM
CUBINS: dict[str, bytes] = _fake.CUBINS
CONSTANTS: dict[str, Any] = _fake.CONSTANTS
KERNELS: dict[str, Callable[..., None]] = _fake.KERNELS
kernel: Callable[..., KernelLaunch] = _fake.kernel
buffer: Callable[..., Buffer] = _fake.buffer
at: Callable[..., Any] = _fake.at
make_device: Callable[..., Any] = _fake.FakeDevice
is_held: Callable[[], bool] = _fake.is_held

HERE = Environment("Fake GPU", "580.1.2", "13.0", "130000", "91000", "tf32")
"""Where the records were taken."""

PRODUCT = MatrixProduct(
    1, 4, 4, 4, Matrix("x", 4), Matrix("w", 4), Matrix("y", 4), "f32", "f32", "tf32",
    activation="relu", label="matmul.1+relu.2",
)  # fmt: skip

WITH_CALL = HostProgram(
    name="main",
    buffers=(buffer("x", "input"), buffer("y", "output"), buffer("w", "constant", 0, "c0")),
    steps=(PRODUCT,),
    inputs=("x",),
    outputs=("y",),
    arena=0,
    constants=64,
)

AGAIN = replace(PROGRAM, steps=(kernel("scale", "x", "t"), kernel("add", "w", "t", "y")))
"""What `PROGRAM` computes, its sum the other way round."""

PROOF = Certificate(
    segments=(Segment("y", 3, 7, (1, 1), 1, 2, 1, "ends"),),
    seed=0,
    primes=random_primes(0, 2),
    comparisons=1,
)
CERTIFICATE = json.loads(PROOF.to_json())

TRACE = [
    {
        "subprogram": "v1",
        "expression": "L<i:4,j:4> S<k:4> x[i,k] * w[k,j]",
        "chosen": 0,
        "candidates": [{"operator": "matmul 4x4x4", "steps": [["skew", {}], ["split", {}]]}],
    }
]


def write(folder: Path, **changes: Any) -> Path:
    """An artifact whose variants compute the same on the fake device, but for their clocks."""
    arguments: dict[str, Any] = {
        "precision": "tf32",
        "chosen": "derived",
        "variants": {"original": PROGRAM, "derived": AGAIN},
        "cubins": {"sm_90a": CUBINS},
        "constants": CONSTANTS,
        "alternatives": {"scale": (KernelLaunch("add", (2, 1, 1), (64, 1, 1), 0, ()),)},
        "optimized": "module {}",
        "certificate": {"program": CERTIFICATE, "module": None, "unproved": "too many cells"},
        "trace": TRACE,
    }
    write_cuda_artifact(folder, **{**arguments, **changes})
    return folder


def records(
    times: Mapping[str, float], environment: Environment = HERE, rounds: int = 5
) -> Records:
    """Records of variants with these microseconds, no noise, cold twice as long."""
    return Records(
        environment,
        {key_of(PRODUCT): CallRecord({"name": "algorithm 21 tile 64x64"}, 3.5e-6)},
        {"scale": KernelRecord("add", {"scale": 2.25e-6, "add": 1.75e-6})},
        {n: GpuSamples((t,) * rounds, (2 * t,) * rounds) for n, t in times.items()},
    )
