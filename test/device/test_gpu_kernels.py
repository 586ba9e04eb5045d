"""Generated kernels on a GPU, in all their schedules, against the interpreter in double precision.

Results lie between guard zones, everything that is not input is NaN before, and inputs are
allocations of their own, exactly as long as they are, for compute-sanitizer to watch:

    compute-sanitizer --tool memcheck python3 -m pytest --noconftest -m device \
        test/device/test_gpu_kernels.py

Kernels are made here if this host has MLIR. For one that has not, they are made ahead: where it is,
`python test/device/test_gpu_kernels.py` writes them to build/gpu_kernels.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, cast

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from einnet.codegen.gpu.host import BYTES, Buffer, dense
from einnet.errors import ToolchainError
from einnet.expr.interpreter import Float64, evaluate_everywhere
from einnet.expr.interpreter import dense as look_up
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition
from einnet.expr.text import parse_scope
from einnet.runtime.cuda.artifact import best_chip
from einnet.runtime.cuda.device import Device, Launch, open_device

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/unit/codegen/gpu"))

from kernel_sample import (  # noqa: E402  # pyright: ignore[reportMissingImports]
    DTYPES,
    SAMPLES,
)

pytestmark = pytest.mark.device

Array = NDArray[Any]
Triple = tuple[int, int, int]

AHEAD = ROOT / "build/gpu_kernels"
CHIPS = ("sm_80", "sm_90a")

NUMPY: dict[str, Any] = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}
EPSILON = {"f32": 2.0**-24, "f16": 2.0**-11, "bf16": 2.0**-8}

GUARD = 4096
"""Bytes on each side of a result that no kernel may write."""

POISON = 0xFF
"""A byte of which all three element types make a NaN."""


@dataclass(frozen=True)
class Made:
    """A kernel ready to be loaded; `schedule` is the text of the one it was made in."""

    schedule: str
    symbol: str
    grid: Triple
    block: Triple
    shared: int
    arguments: tuple[str, ...]
    cubins: Mapping[str, bytes]


def problem(name: str, dtype: str) -> tuple[Definition, dict[str, Buffer]]:
    """The definition, and the buffers of its tensors by name."""
    sample = SAMPLES[name]
    tensors = {n: Tensor(n, shape, dtype) for n, shape in sample.shapes.items()}
    scope = parse_scope(sample.text, tensors)
    tensors["Y"] = Tensor("Y", scope.extents, dtype)
    buffers = {
        n: Buffer(n, t.shape, sample.strides.get(n, dense(t.shape)), dtype, "temporary")
        for n, t in tensors.items()
    }
    return Definition(tensors["Y"], scope), buffers


def make(name: str, dtype: str, chips: tuple[str, ...]) -> Iterator[Made]:
    """The kernels of a sample in all their schedules. Needs MLIR and ptxas."""
    from einnet.codegen.gpu.assemble import assemble_all
    from einnet.codegen.gpu.gather import gathers
    from einnet.codegen.gpu.kernel import Schedule, build_kernel, schedules
    from einnet.codegen.gpu.reductions import reductions
    from einnet.codegen.gpu.sums import is_whole
    from einnet.codegen.gpu.transpose import transposes

    definition, buffers = problem(name, dtype)
    offered: list[Schedule] = [*schedules(definition, buffers)]
    if not is_whole(definition):
        for kind in (gathers, transposes, reductions):
            offered += kind(definition, buffers)
    unique = tuple(dict.fromkeys(offered))
    kernels = [build_kernel(definition, buffers, s) for s in unique]
    binaries = {chip: assemble_all([k.module for k in kernels], chip) for chip in chips}
    for number, (schedule, kernel) in enumerate(zip(unique, kernels, strict=True)):
        cubins = {chip: found[number].cubin for chip, found in binaries.items()}
        yield Made(
            str(schedule), kernel.symbol, kernel.grid, kernel.block, kernel.shared,
            kernel.arguments, cubins,
        )  # fmt: skip


def write_ahead() -> None:
    """Write the kernels of all samples to `AHEAD`."""
    listed: dict[str, list[dict[str, object]]] = {}
    for name in SAMPLES:
        for dtype in DTYPES:
            entries = listed.setdefault(f"{name} {dtype}", [])
            for made in make(name, dtype, CHIPS):
                entries.append({k: v for k, v in vars(made).items() if k != "cubins"})
                for chip, cubin in made.cubins.items():
                    folder = AHEAD / chip
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / f"{made.symbol}.cubin").write_bytes(cubin)
    (AHEAD / "kernels.json").write_text(json.dumps(listed))
    print(f"{sum(map(len, listed.values()))} kernels in {AHEAD}")


@cache
def listing() -> dict[str, list[dict[str, Any]]]:
    return json.loads((AHEAD / "kernels.json").read_text())


def kernels_of(name: str, dtype: str, device: Device) -> list[Made]:
    """Those made now for the GPU at hand, or, without MLIR, those that were made ahead."""
    if find_spec("mlir") is not None:
        chip = "sm_90a" if device.properties.capability == (9, 0) else "sm_80"
        return list(make(name, dtype, (chip,)))
    if not (AHEAD / "kernels.json").is_file():
        pytest.skip(f"no MLIR here, and no kernels in {AHEAD}")
    return [_read(entry) for entry in listing()[f"{name} {dtype}"]]


def _read(entry: Mapping[str, Any]) -> Made:
    symbol = str(entry["symbol"])
    return Made(
        schedule=str(entry["schedule"]),
        symbol=symbol,
        grid=cast(Triple, tuple(entry["grid"])),
        block=cast(Triple, tuple(entry["block"])),
        shared=int(entry["shared"]),
        arguments=tuple(entry["arguments"]),
        cubins={chip: (AHEAD / chip / f"{symbol}.cubin").read_bytes() for chip in CHIPS},
    )


@pytest.fixture(scope="module")
def device() -> Device:
    try:
        opened = open_device()
    except ToolchainError as error:
        pytest.skip(f"no GPU: {error.message}")
    print(f"\n{opened.properties}")
    return opened


def places(buffer: Buffer) -> NDArray[np.int64]:
    """The numbers of a tensor's elements in its buffer."""
    found = np.zeros(buffer.shape, np.int64)
    for number, stride in zip(np.indices(buffer.shape), buffer.strides, strict=True):
        found += number * stride
    return found


def image(buffer: Buffer, array: Array) -> Array:
    """The array as it lies in the buffer, NaN in the gaps."""
    flat = np.full(buffer.bytes, POISON, np.uint8).view(array.dtype)
    flat[places(buffer)] = array
    return flat


def launched(
    device: Device, stream: int, made: Made, buffers: Mapping[str, Buffer], arrays: dict[str, Array]
) -> Array:
    """The result; the test fails if anything but it was written."""
    chip = best_chip(made.cubins, device.properties.capability)
    assert chip is not None, f"nothing for {device.properties.name}"
    *read, result = (buffers[n] for n in made.arguments)
    memories = [device.allocate(b.bytes, b.name) for b in read]
    for buffer, memory in zip(read, memories, strict=True):
        device.upload(memory.address, image(buffer, arrays[buffer.name]), stream)
    target = device.allocate(result.bytes + 2 * GUARD, "the result")
    device.fill(target.address, POISON, target.bytes, stream)
    module, kernel = device.load(made.cubins[chip], made.symbol)
    device.allow_shared(kernel, made.shared)
    addresses = (*(m.address for m in memories), target.address + GUARD)
    device.launch(Launch(kernel, made.grid, made.block, made.shared, addresses), stream)
    device.synchronize(stream)
    after = np.empty(target.bytes, np.uint8)
    device.download(target.address, after, stream)
    device.unload(module)
    for memory in (*memories, target):
        memory.free()
    size = BYTES[result.dtype]
    touched = np.zeros(after.size, bool)
    starts = GUARD + size * places(result).ravel()
    for byte in range(size):
        touched[starts + byte] = True
    assert (after[~touched] == POISON).all(), f"{made.schedule} writes around its result"
    values = after[GUARD : GUARD + result.bytes].view(NUMPY[result.dtype])
    return values[places(result)].astype(np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SAMPLES)
def test_every_schedule(device: Device, name: str, dtype: str) -> None:
    definition, buffers = problem(name, dtype)
    rng = np.random.default_rng(7)
    arrays: dict[str, Array] = {
        t.name: rng.uniform(-2, 2, t.shape).astype(NUMPY[dtype]) for t in definition.operands
    }
    exact = {n: a.astype(np.float64) for n, a in arrays.items()}
    correct = evaluate_everywhere(definition.scope, look_up(exact), Float64())
    # Sums are f32 whatever the elements are, and the result is rounded once.
    terms = prod(i.extent for i in definition.scope.summation)
    scale = max(1.0, float(np.abs(correct).max()))
    bound = scale * (2 * EPSILON[dtype] + 16 * terms**0.5 * EPSILON["f32"])
    made = kernels_of(name, dtype, device)
    assert made
    stream = device.make_stream()
    worst = 0.0
    for one in made:
        found = launched(device, stream, one, buffers, arrays)
        error = float(np.max(np.abs(found - correct), initial=0.0))
        assert error <= bound, f"{one.schedule}: off by {error:.3g}, {bound:.3g} allowed"
        worst = max(worst, error)
    device.destroy_stream(stream)
    print(f"{name}, {dtype}: {len(made)} kernels, off by {worst:.2g} of {bound:.2g}")


if __name__ == "__main__":
    write_ahead()
