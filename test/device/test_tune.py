"""Searches on a GPU: what they cost, what they find, and what a fault leaves behind.

Run with `-m device -s` to see the figures. On a host without MLIR:
`PYTHONPATH=python python3 -m pytest --noconftest -m device -s test/device/test_tune.py`
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from einnet.codegen.gpu.host import (
    Buffer,
    ConvolutionCall,
    HostProgram,
    Image,
    KernelLaunch,
    Matrix,
    MatrixProduct,
    Role,
    dense,
    key_of,
)
from einnet.errors import ToolchainError
from einnet.runtime.cuda.artifact import executable, load_cuda_artifact, write_cuda_artifact
from einnet.runtime.cuda.device import Device, open_device
from einnet.runtime.cuda.measure import measure_artifact
from einnet.runtime.cuda.tune import tune

pytestmark = [pytest.mark.device, pytest.mark.timeout(300)]

# The driver assembles PTX as well as it loads machine code. One thread adds 1 to an element, or, in
# `add1_slow`, in 200 steps of 1/200; `add1_wrong` adds 2; `add1_fault` writes to address 0.
PTX = """
.version 7.8
.target sm_80
.address_size 64
.visible .entry {name}(.param .u64 p0, .param .u64 p1)
{{
  .reg .pred %p; .reg .b32 %r<6>; .reg .f32 %f<4>; .reg .b64 %a<4>;
  ld.param.u64 %a0, [p0]; cvta.to.global.u64 %a0, %a0;
  ld.param.u64 %a1, [p1]; cvta.to.global.u64 %a1, %a1;
  mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x;
  mad.lo.u32 %r4, %r1, %r2, %r3;
  mad.wide.u32 %a0, %r4, 4, %a0; mad.wide.u32 %a1, %r4, 4, %a1;
  ld.global.f32 %f0, [%a0];
  mov.u32 %r5, 0;
LOOP:
  add.f32 %f0, %f0, {step};
  add.u32 %r5, %r5, 1;
  setp.lt.u32 %p, %r5, {count};
  @%p bra LOOP;
  {fault}
  st.global.f32 [%a1], %f0;
  ret;
}}
"""


def ptx(name: str, step: float = 1.0, count: int = 1, fault: str = "") -> bytes:
    word = int(np.float32(step).view(np.uint32))
    text = PTX.format(name=name, step=f"0f{word:08X}", count=count, fault=fault)
    return text.encode() + b"\0"


CUBINS = {
    "add1": ptx("add1"),
    "add1_slow": ptx("add1_slow", 1 / 200, 200),
    "add1_wrong": ptx("add1_wrong", 2.0),
    "add1_fault": ptx("add1_fault", fault="mov.u64 %a1, 0;"),
}

N = 512


@pytest.fixture(scope="module")
def device() -> Device:
    try:
        opened = open_device()
    except ToolchainError as error:
        pytest.skip(f"no GPU: {error.message}")
    for module in ("nvmath", "cudnn"):
        pytest.importorskip(module)
    print(f"\n{opened.properties}")
    return opened


def buffer(name: str, role: Role, shape: tuple[int, ...] = (N, N), offset: int = 0) -> Buffer:
    content = name if role == "constant" else ""
    return Buffer(name, shape, dense(shape), "f32", role, offset, content)


def launch(symbol: str, *arguments: str) -> KernelLaunch:
    return KernelLaunch(symbol, (N * N // 256, 1, 1), (256, 1, 1), 0, arguments, label=symbol)


PRODUCT = MatrixProduct(
    1, N, N, N, Matrix("x", N), Matrix("w", N), Matrix("t", N), "f32", "f32", "tf32", label="x w"
)


def program(*steps: Any) -> HostProgram:
    buffers = (
        buffer("x", "input"),
        buffer("y", "output"),
        buffer("t", "temporary"),
        buffer("w", "constant"),
    )
    size = 4 * N * N
    return HostProgram("main", buffers, steps, ("x",), ("y",), size, size)


ORIGINAL = program(PRODUCT, launch("add1_slow", "t", "y"))
"""`y = x w + 1`."""


def write(folder: Path, variants: dict[str, HostProgram], *others: str) -> Path:
    alternatives = {
        "add1_slow": tuple(replace(launch(symbol, "t", "y"), arguments=()) for symbol in others)
    }
    weights = np.random.default_rng(1).standard_normal((N, N)).astype(np.float32)
    write_cuda_artifact(
        folder,
        precision="tf32",
        chosen="original",
        variants=variants,
        cubins={"sm_80": CUBINS, "sm_90": CUBINS},
        constants={"w": weights.ravel()},
        alternatives=alternatives,
        optimized="module {}",
    )
    return folder


def test_the_best_is_found_and_used(device: Device, tmp_path: Path) -> None:
    wrong = program(PRODUCT, launch("add1_wrong", "t", "y"), launch("add1_wrong", "y", "y"))
    none = program(replace(PRODUCT, a=replace(PRODUCT.a, leading=N - 1)))
    variants = {
        "wrong": program(PRODUCT, launch("add1_wrong", "y", "y")),
        "original": ORIGINAL,
        "twice": program(PRODUCT, *ORIGINAL.steps),
        "wrong as well": wrong,
        "unsupported": none,
    }
    artifact = load_cuda_artifact(write(tmp_path / "m", variants, "add1_wrong", "add1"))
    said: list[str] = []
    started = time.perf_counter()
    records = tune(artifact, device, rounds=10, say=said.append)
    print(f"\n{time.perf_counter() - started:.2f} s\n" + "\n".join(filter(None, said)))
    assert records.kernels["add1_slow"].symbol == "add1"
    assert "add1_wrong" not in records.kernels["add1_slow"].seconds
    assert records.calls[key_of(PRODUCT)].algorithm["library"] == "cublasLt"
    assert set(records.variants) == {"original", "twice"}
    times = {name: s.median for name, s in records.variants.items()}
    assert times["original"] < times["twice"], times
    x = np.random.default_rng(2).standard_normal((N, N)).astype(np.float32)
    y = executable(artifact, device=device, records=records).run({"x": x})["y"]
    w = artifact.constants["w"].reshape(N, N).astype(np.float64)
    expected = x.astype(np.float64) @ w + 1
    assert np.linalg.norm(y - expected) / np.linalg.norm(expected) < 1e-3
    before = len(said)
    again = tune(artifact, device, rounds=2, known=records, say=said.append)
    assert (again.calls, again.kernels) == (records.calls, records.kernels)
    assert not any(line.startswith(("call", "kernel")) for line in said[before:])


def test_a_faulting_schedule_is_left_out_and_the_rest_measured(
    device: Device, tmp_path: Path
) -> None:
    """In child processes: this one's context must stay as it is."""
    folder = write(tmp_path / "m", {"original": ORIGINAL}, "add1_fault", "add1")
    said: list[str] = []
    started = time.perf_counter()
    records = measure_artifact(folder, rounds=5, say=said.append)
    print(f"\n{time.perf_counter() - started:.2f} s\n" + "\n".join(said))
    assert any(line.startswith("dropped add1_slow: it crashed") for line in said)
    assert records.kernels["add1_slow"].symbol == "add1_slow"
    assert set(records.variants) == {"original"}
    assert sum(line == f"call {key_of(PRODUCT)} x w" for line in said) == 1
    device.synchronize(device.make_stream())


def image(name: str, *extents: int) -> Image:
    n, c, *spatial = extents
    batch, *rest = dense((n, *spatial, c))
    return Image(name, extents, (batch, rest[-1], *rest[:-1]))


def convolutional(bias: str, activation: Any) -> HostProgram:
    """InfoGAN's 448 -> 256 on 2x2, transposed, one image."""
    call = ConvolutionCall(
        True, image("x", 1, 448, 2, 2), image("w", 448, 256, 4, 4), image("y", 1, 256, 4, 4),
        (2, 2), (1, 1), (1, 1), (1, 1), 1, "f32", "f32", "tf32",
        bias=bias, activation=activation, label="deconvolution",
    )  # fmt: skip
    weights = 4 * 448 * 256 * 16
    buffers = (
        buffer("x", "input", (1, 2, 2, 448)),
        buffer("y", "output", (1, 4, 4, 256)),
        buffer("w", "constant", (448, 4, 4, 256)),
        buffer("b", "constant", (256,), weights),
    )
    return HostProgram("main", buffers, (call,), ("x",), ("y",), 0, weights + 1024)


def test_fused_and_plain_convolutions_are_searched_in_bounds(
    device: Device, tmp_path: Path
) -> None:
    """The fused one computes something else, so that only the searches count here."""
    generator = np.random.default_rng(1)
    variants = {"original": convolutional("", ""), "fused": convolutional("b", "relu")}
    folder = tmp_path / "m"
    write_cuda_artifact(
        folder,
        precision="tf32",
        chosen="original",
        variants=variants,
        cubins={},
        constants={
            "w": generator.standard_normal(448 * 256 * 16).astype(np.float32),
            "b": generator.standard_normal(256).astype(np.float32),
        },
        optimized="module {}",
    )
    said: list[str] = []
    started = time.perf_counter()
    records = tune(load_cuda_artifact(folder), device, rounds=5, say=said.append)
    elapsed = time.perf_counter() - started
    print(f"\n{elapsed:.2f} s\n" + "\n".join(filter(None, said)))
    assert elapsed < 90
    plain, fused = (key_of(v.calls[0]) for v in variants.values())
    assert records.calls[plain].seconds > 0
    if found := records.calls[fused].algorithm:
        print(f"fused: {records.calls[fused].seconds * 1e6:.2f} us: {found['name']}")
    assert "original" in records.variants


def test_the_hosts_share_of_a_search(device: Device, tmp_path: Path) -> None:
    """Ten products that have nothing in common but their library: milliseconds each."""
    sizes = [(64, 4096, 448), (16, 1024, 1024), (1, 512, 777), (49, 4608, 512), (128, 128, 4096)]
    sizes += [(2 * m, n, k) for m, n, k in sizes]
    for m, n, k in sizes:
        call = MatrixProduct(
            1, m, n, k, Matrix("x", k), Matrix("w", n), Matrix("y", n), "f32", "f32", "tf32"
        )
        buffers = (
            buffer("x", "input", (m, k)),
            buffer("y", "output", (m, n)),
            buffer("w", "constant", (k, n)),
        )
        variant = HostProgram("main", buffers, (call,), ("x",), ("y",), 0, 4 * k * n)
        folder = tmp_path / f"{m}x{n}x{k}"
        write_cuda_artifact(
            folder,
            precision="tf32",
            chosen="original",
            variants={"original": variant},
            cubins={},
            constants={"w": np.zeros(k * n, np.float32)},
            optimized="module {}",
        )
        said: list[str] = []
        started = time.perf_counter()
        tune(load_cuda_artifact(folder), device, rounds=3, say=said.append)
        elapsed = time.perf_counter() - started
        found = next(line for line in said if line.startswith(f"call {key_of(call)}: "))
        print(f"\n{m}x{n}x{k}: {elapsed:.2f} s with the race; {found}", end="")
        assert elapsed < 10
