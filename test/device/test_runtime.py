"""The CUDA runtime on a GPU: graphs, pointer updates, arrays of three libraries, errors, timing.

The kernels are PTX that ptxas assembles for the GPU at hand. On a host without MLIR:
`PYTHONPATH=python python3 -m pytest --noconftest -m device -s test/device/test_runtime.py`
"""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from einnet.codegen.gpu.host import (
    Buffer,
    HostProgram,
    KernelLaunch,
    Matrix,
    MatrixProduct,
    dense,
)
from einnet.errors import InputError, ToolchainError
from einnet.runtime.cuda.artifact import executable, load_cuda_artifact, write_cuda_artifact
from einnet.runtime.cuda.device import Device, open_device
from einnet.runtime.cuda.executor import CudaProgram
from einnet.runtime.cuda.records import environment_of
from einnet.runtime.cuda.timing import contender, time_programs, wins

pytestmark = pytest.mark.device

ROWS, COLUMNS = 300, 1024
ELEMENTS = ROWS * COLUMNS

# One thread an element: `scale` y = 2*x + 1, `add` y = x + z, `copy4` copies 16 bytes a thread.
PTX = """
.version 7.8
.target {arch}
.address_size 64
{entries}
"""
ENTRY = """
.visible .entry {name}({parameters})
{{
  .reg .pred %p; .reg .b32 %r<5>; .reg .f32 %f<8>; .reg .b64 %a<8>;
  mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x;
  mad.lo.u32 %r4, %r1, %r2, %r3;
  setp.ge.u32 %p, %r4, {count};
  @%p ret;
{loads}
{body}
  ret;
}}
"""


def entry(name: str, arguments: int, count: int, body: str, size: int = 4) -> str:
    """A kernel whose %a<i> is the address of the thread's `size` bytes of argument i."""
    loads = "".join(
        f"  ld.param.u64 %a{i}, [p{i}]; cvta.to.global.u64 %a{i}, %a{i};"
        f" mad.wide.u32 %a{i}, %r4, {size}, %a{i};\n"
        for i in range(arguments)
    )
    parameters = ", ".join(f".param .u64 p{i}" for i in range(arguments))
    return ENTRY.format(name=name, parameters=parameters, count=count, loads=loads, body=body)


ENTRIES = {
    "scale": entry(
        "scale",
        2,
        ELEMENTS,
        "ld.global.f32 %f0, [%a0]; fma.rn.f32 %f1, %f0, 0f40000000, 0f3F800000;"
        " st.global.f32 [%a1], %f1;",
    ),
    "add": entry(
        "add",
        3,
        ELEMENTS,
        "ld.global.f32 %f0, [%a0]; ld.global.f32 %f1, [%a1]; add.f32 %f2, %f0, %f1;"
        " st.global.f32 [%a2], %f2;",
    ),
    "copy4": entry(
        "copy4",
        2,
        1 << 24,
        "ld.global.v4.f32 {%f0, %f1, %f2, %f3}, [%a0];"
        " st.global.v4.f32 [%a1], {%f0, %f1, %f2, %f3};",
        size=16,
    ),
}


def assemble(folder: Path, arch: str) -> dict[str, bytes]:
    """The kernels' machine code by symbol."""
    found = shutil.which("ptxas") or shutil.which("ptxas", path="/usr/local/cuda/bin")
    if found is None:
        pytest.skip("no ptxas")
    cubins: dict[str, bytes] = {}
    for name, text in ENTRIES.items():
        source, cubin = folder / f"{name}.ptx", folder / f"{name}.cubin"
        source.write_text(PTX.format(arch=arch, entries=text))
        subprocess.run([found, f"-arch={arch}", str(source), "-o", str(cubin)], check=True)
        cubins[name] = cubin.read_bytes()
    return cubins


@pytest.fixture(scope="module")
def device() -> Device:
    try:
        opened = open_device()
    except ToolchainError as error:
        pytest.skip(f"no GPU: {error.message}")
    print(f"\n{opened.properties}")
    return opened


@pytest.fixture(scope="module")
def cubins(device: Device, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    major, minor = device.properties.capability
    return assemble(tmp_path_factory.mktemp("kernels"), f"sm_{major}{minor}")


SHAPE = (ROWS, COLUMNS)
BYTES = 4 * ELEMENTS
W = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)


def buffer(name: str, role: Any, shape: tuple[int, ...] = SHAPE, content: str = "") -> Buffer:
    return Buffer(name, shape, dense(shape), "f32", role, 0, content)


def kernel(symbol: str, *arguments: str) -> KernelLaunch:
    return KernelLaunch(symbol, (-(-ELEMENTS // 256), 1, 1), (256, 1, 1), 0, arguments)


PROGRAM = HostProgram(
    name="main",
    buffers=(
        buffer("x", "input"),
        buffer("y", "output"),
        buffer("t", "temporary"),
        buffer("w", "constant", content="w"),
    ),
    steps=(kernel("scale", "x", "t"), kernel("scale", "t", "t"), kernel("add", "t", "w", "y")),
    inputs=("x",),
    outputs=("y",),
    arena=BYTES,
    constants=BYTES,
)
"""`y = 2*(2*x + 1) + 1 + w`; `scale` occurs twice."""


def expected(x: Any) -> Any:
    return 4 * x + 3 + W


def draw(seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)


def check(result: Any, x: Any) -> None:
    np.testing.assert_allclose(result, expected(x), rtol=1e-5, atol=1e-5)


@pytest.fixture
def program(device: Device, cubins: dict[str, bytes]) -> Iterator[CudaProgram]:
    made = CudaProgram(PROGRAM, device, cubins, {"w": W}, {})
    yield made
    made.close()


def test_numpy(program: CudaProgram) -> None:
    for seed in (1, 2):
        check(program.run({"x": draw(seed)})["y"], draw(seed))


def test_torch(program: CudaProgram) -> None:
    torch = pytest.importorskip("torch")
    results = []
    for seed in (1, 2, 3):
        x = torch.from_numpy(draw(seed)).cuda()
        (y,) = program(x)
        assert y.is_cuda and y.dtype == torch.float32
        results.append((y, x))
        del x
    for (y, x), seed in zip(results, (1, 2, 3), strict=True):
        check(y.cpu().numpy(), draw(seed))
        np.testing.assert_array_equal(x.cpu().numpy(), draw(seed))
    check(program(draw(4))[0], draw(4))


def test_torch_work_that_is_still_running_is_waited_for(program: CudaProgram) -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(draw(1)).cuda()
    big = torch.randn(8192, 8192, device="cuda")
    torch.cuda.synchronize()
    for _ in range(20):
        big = torch.mm(big, big).clamp_(-1, 1)
    moved = x + big[:1, :1].clamp(0, 0)  # waits for all products
    check(program(moved)[0].cpu().numpy(), draw(1))


def test_cupy(program: CudaProgram) -> None:
    cupy = pytest.importorskip("cupy")
    for seed in (1, 2):
        (y,) = program(cupy.asarray(draw(seed)))
        assert isinstance(y, cupy.ndarray)
        check(cupy.asnumpy(y), draw(seed))


class OnlyDlpack:
    """A producer of neither library."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    def __dlpack__(self, stream: int) -> Any:
        return self._array.__dlpack__(stream=stream)


class OnlyInterface:
    def __init__(self, array: Any) -> None:
        self.__cuda_array_interface__ = array.__cuda_array_interface__
        self._array = array


@pytest.mark.parametrize("wrap", [OnlyDlpack, OnlyInterface])
def test_other_arrays(program: CudaProgram, wrap: Any) -> None:
    torch = pytest.importorskip("torch")
    (y,) = program(wrap(torch.from_numpy(draw(1)).cuda()))
    check(torch.from_dlpack(y).cpu().numpy(), draw(1))
    check(torch.as_tensor(y, device="cuda").cpu().numpy(), draw(1))
    assert type(y).__name__ == "DeviceArray"
    kept = torch.from_dlpack(y)
    del y
    gc.collect()
    program(draw(5))
    check(kept.cpu().numpy(), draw(1))


def test_a_misaligned_tensor_is_copied(program: CudaProgram) -> None:
    torch = pytest.importorskip("torch")
    base = torch.empty(ELEMENTS + 1, device="cuda")
    x = base[1:].view(SHAPE)
    x.copy_(torch.from_numpy(draw(1)))
    check(program(x)[0].cpu().numpy(), draw(1))


def test_wrong_arrays(program: CudaProgram) -> None:
    torch = pytest.importorskip("torch")
    good = torch.zeros(SHAPE, device="cuda")
    for wrong, message in (
        (good.half(), "its dtype is f16, not f32"),
        (good[:7], "its shape is"),
        (good.view(COLUMNS, ROWS).t(), "it is not contiguous"),
        (good.cpu(), "it is in host memory, not on GPU 0"),
        (good.clone().requires_grad_(), "cannot be shared"),
        (draw(1).astype(np.float64), "its dtype is float64, not float32"),
    ):
        with pytest.raises(InputError, match=message):
            program(wrong)
    check(program(draw(1))[0], draw(1))


def test_outputs_that_are_inputs_or_named_twice(device: Device, cubins: dict[str, bytes]) -> None:
    torch = pytest.importorskip("torch")
    repeated = replace(PROGRAM, outputs=("y", "x", "y"))
    program = CudaProgram(repeated, device, cubins, {"w": W}, {})
    x = torch.from_numpy(draw(1)).cuda()
    y, same, again = program(x)
    assert len({t.data_ptr() for t in (x, y, same, again)}) == 4
    check(y.cpu().numpy(), draw(1))
    assert torch.equal(y, again) and torch.equal(same, x)
    program.close()


def test_a_library_call_in_the_graph(device: Device, cubins: dict[str, bytes]) -> None:
    """A product whose operand is the input: it is copied in; the output is written in place."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("nvmath")
    weights = np.random.default_rng(2).standard_normal((COLUMNS, COLUMNS)).astype(np.float32)
    product = MatrixProduct(
        1,
        ROWS,
        COLUMNS,
        COLUMNS,
        Matrix("x", COLUMNS),
        Matrix("m", COLUMNS),
        Matrix("t", COLUMNS),
        "f32",
        "f32",
        "fp32",
    )
    mixed = replace(
        PROGRAM,
        buffers=(
            *PROGRAM.buffers[:3],
            buffer("m", "constant", (COLUMNS, COLUMNS), content="m"),
        ),
        steps=(product, kernel("scale", "t", "y")),
        constants=4 * COLUMNS * COLUMNS,
    )
    program = CudaProgram(mixed, device, cubins, {"m": weights}, {})
    for seed in (1, 2):
        wide = 2 * (draw(seed).astype(np.float64) @ weights.astype(np.float64)) + 1
        for given in (draw(seed), torch.from_numpy(draw(seed)).cuda()):
            (y,) = program(given)
            y = y if isinstance(y, np.ndarray) else y.cpu().numpy()
            error = np.linalg.norm(y - wide) / np.linalg.norm(wide)
            assert error < 1e-5, error
    program.close()


def test_out_of_memory(device: Device, cubins: dict[str, bytes]) -> None:
    huge = replace(PROGRAM, arena=device.properties.memory * 2)
    with pytest.raises(ToolchainError, match="out of GPU memory: the temporaries need") as caught:
        CudaProgram(huge, device, cubins, {"w": W}, {})
    print(f"\n{caught.value}")


def test_memory_is_given_back(device: Device, cubins: dict[str, bytes]) -> None:
    def free() -> int:
        gc.collect()
        return int(device.driver.cuMemGetInfo()[1])

    def once() -> None:
        big = replace(PROGRAM, arena=1 << 30)
        check(CudaProgram(big, device, cubins, {"w": W}, {})(draw(1))[0], draw(1))

    once()
    before = free()
    for _ in range(3):
        once()
    assert abs(free() - before) < 1 << 28


def test_an_artifact_runs(device: Device, cubins: dict[str, bytes], tmp_path: Path) -> None:
    major, minor = device.properties.capability
    folder = tmp_path / "model.einnet"
    write_cuda_artifact(
        folder,
        precision="fp32",
        chosen="original",
        variants={"original": PROGRAM},
        cubins={f"sm_{major}{minor}": cubins},
        constants={"w": W},
        optimized="module {}",
    )
    program = executable(load_cuda_artifact(folder))
    check(program.run({"x": draw(1)})["y"], draw(1))
    np.save(tmp_path / "x.npy", draw(2))
    command = [sys.executable, "-m", "einnet.cli.main", "run", str(folder), "--device", "cuda"]
    files = ["--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    done = subprocess.run([*command, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check(np.load(tmp_path / "y.npy"), draw(2))
    print(f"\n{done.stdout}{environment_of(device, 'fp32')}")


def test_times_are_plausible(device: Device, cubins: dict[str, bytes]) -> None:
    """A copy of 256 MiB takes what memory allows; doing it twice takes twice as long; times agree
    with torch's own replay of a copy on the same stream."""
    shape = (1 << 26,)
    copy = KernelLaunch("copy4", (1 << 16, 1, 1), (256, 1, 1), 0, ("x", "y"))
    once = HostProgram(
        "copy", (buffer("x", "input", shape), buffer("y", "output", shape)), (copy,), ("x",),
        ("y",), 0, 0,
    )  # fmt: skip
    twice = replace(once, steps=(copy, copy))
    programs = {
        name: CudaProgram(p, device, cubins, {}, {}) for name, p in (("1", once), ("2", twice))
    }
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    stream = device.make_stream()
    contenders = {}
    for name, program in programs.items():
        program.write_inputs({"x": x})
        contenders[name] = contender(program, stream, runs=5)
    samples = time_programs(contenders, device, stream, rounds=15)
    for name, program in programs.items():
        np.testing.assert_array_equal(program.read_outputs()["y"], x)
        s = samples[name]
        rate = int(name) * 2 * x.nbytes / s.median * 1e-6
        print(f"\n{name} copies: {s.median:.1f} us +- {s.spread:.1f}, cold {s.cold_median:.1f} us,")
        print(f"  {rate:.2f} TB/s read and written")
    ratio = samples["2"].median / samples["1"].median
    assert 1.8 < ratio < 2.2, ratio
    assert 50 < samples["1"].median < 2000
    assert wins(samples["1"], samples["2"]) and not wins(samples["2"], samples["1"])


def test_a_peer_is_timed_on_the_same_stream(device: Device, cubins: dict[str, bytes]) -> None:
    torch = pytest.importorskip("torch")
    timing = import_module("einnet.runtime.cuda.timing")
    stream = device.make_stream()
    ours = CudaProgram(PROGRAM, device, cubins, {"w": W}, {})
    ours.write_inputs({"x": draw(1)})
    theirs = torch.cuda.ExternalStream(stream)
    x, w = torch.from_numpy(draw(1)).cuda(), torch.from_numpy(W).cuda()
    y, graphs = x, {}
    for runs in (20, 1):
        graphs[runs] = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graphs[runs]):
            for _ in range(runs):
                y = (2 * x + 1).mul_(2).add_(1).add_(w)

    def replay(runs: int) -> None:
        with torch.cuda.stream(theirs):
            graphs[runs].replay()

    samples = time_programs(
        {
            "ours": contender(ours, stream),
            "torch": timing.Contender(lambda: replay(20), lambda: replay(1)),
        },
        device,
        stream,
        rounds=30,
    )
    check(y.cpu().numpy(), draw(1))
    for name, s in samples.items():
        print(f"\n{name}: hot {s.median:.2f} us +- {s.spread:.2f}, cold {s.cold_median:.2f} us")
    assert samples["ours"].median < 3 * samples["torch"].median
    assert (samples["ours"].cold_median or 0) > 0.8 * samples["ours"].median
