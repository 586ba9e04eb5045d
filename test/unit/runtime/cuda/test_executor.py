"""The executor over a device in host memory: what is computed, copied, updated and refused."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fake_device import (
    CONSTANTS,
    CUBINS,
    KERNELS,
    PROGRAM,
    FakeDevice,
    buffer,
    kernel,
)
from numpy.typing import NDArray

from einnet.codegen.gpu.host import HostProgram, Matrix, MatrixProduct, key_of
from einnet.errors import InputError, ToolchainError
from einnet.runtime.cuda.executor import CudaProgram, check_program

W = CONSTANTS["c0"].reshape(4, 4)
PRODUCT = MatrixProduct(
    1, 4, 4, 4, Matrix("x", 4), Matrix("w", 4), Matrix("t", 4), "f32", "f32", "fp32"
)
MIXED = replace(PROGRAM, steps=(PRODUCT, kernel("scale", "t", "y")))
"""`y = 2*(x @ w) + 1`: the input's address is settled in a library call, the output's is not."""


class OnDevice:
    """An array that says it is on the fake device, which is host memory."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def __dlpack__(self, stream: int) -> object:
        assert stream > 0
        return self.array.__dlpack__()


def aligned(values: NDArray[Any], shift: int = 0) -> NDArray[Any]:
    """A copy whose address is `shift` bytes past a multiple of 256."""
    raw = np.empty(values.nbytes + 512, np.uint8)
    start = -raw.ctypes.data % 256 + shift
    array = raw[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    array[...] = values
    return array


def make(program: HostProgram = PROGRAM, device: FakeDevice | None = None) -> CudaProgram:
    device = device or FakeDevice(KERNELS)
    return CudaProgram(
        program, device, CUBINS, CONSTANTS, {key_of(PRODUCT): {"name": "7"}}, device.prepare
    )


def draw(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).integers(-9, 9, (4, 4)).astype(np.float32)


def test_numpy_arrays_in_and_out() -> None:
    program = make()
    first = program.run({"x": draw(1)})["y"]
    second = program(draw(2).T)[0]  # any order in memory
    np.testing.assert_array_equal(first, 2 * draw(1) + 1 + W)
    np.testing.assert_array_equal(second, 2 * draw(2).T + 1 + W)


def test_arrays_on_the_device_are_used_in_place() -> None:
    device = FakeDevice(KERNELS)
    program = make(device=device)
    for seed in (1, 2, 3):
        (result,) = program(OnDevice(aligned(draw(seed))))
        np.testing.assert_array_equal(np.from_dlpack(result), 2 * draw(seed) + 1 + W)
    assert device.copies == 0
    np.testing.assert_array_equal(program(draw(4))[0], 2 * draw(4) + 1 + W)


def test_earlier_results_stay_as_they_are() -> None:
    program = make()
    x = OnDevice(aligned(draw(1)))
    (first,) = program(x)
    program(OnDevice(aligned(draw(2))))
    program(draw(3))
    np.testing.assert_array_equal(np.from_dlpack(first), 2 * draw(1) + 1 + W)
    np.testing.assert_array_equal(x.array, draw(1))


def test_a_misaligned_input_is_copied_on_the_device() -> None:
    device = FakeDevice(KERNELS)
    (result,) = make(device=device)(OnDevice(aligned(draw(1), shift=4)))
    assert device.copies == 1
    np.testing.assert_array_equal(np.from_dlpack(result), 2 * draw(1) + 1 + W)


def test_what_a_library_call_reads_is_copied_to_it() -> None:
    device = FakeDevice(KERNELS)
    program = make(MIXED, device)
    (result,) = program(OnDevice(aligned(draw(1))))
    assert device.algorithms == [{"name": "7"}]
    assert device.copies == 1, "the input; the output is written in place"
    np.testing.assert_array_equal(np.from_dlpack(result), 2 * (draw(1) @ W) + 1)
    np.testing.assert_array_equal(program(draw(2))[0], 2 * (draw(2) @ W) + 1)


def test_only_what_moved_is_updated() -> None:
    device = FakeDevice(KERNELS)
    program = make(device=device)
    program(draw(1))
    program(draw(2))
    (graph,) = device.graphs
    assert graph.updates == 0
    program(OnDevice(aligned(draw(1))))
    assert graph.updates == 2


@pytest.mark.parametrize("given", [draw(1), OnDevice(aligned(draw(1)))])
def test_outputs_that_are_inputs_constants_or_named_twice(given: Any) -> None:
    program = make(replace(PROGRAM, outputs=("y", "x", "y", "w")))
    results = [np.from_dlpack(r) for r in program(given)]
    y = 2 * draw(1) + 1 + W
    for result, expected in zip(results, (y, draw(1), y, W), strict=True):
        np.testing.assert_array_equal(result, expected)
    owner = given if isinstance(given, np.ndarray) else given.array
    arrays = [*results, owner]
    for i, one in enumerate(arrays):
        assert not any(np.shares_memory(one, other) for other in arrays[i + 1 :])


def test_a_capture_of_several_runs_uses_the_programs_own_buffers() -> None:
    program = make()
    graph = program.capture(3)
    program.write_inputs({"x": draw(5)})
    graph.launch(program.stream)
    np.testing.assert_array_equal(program.read_outputs()["y"], 2 * draw(5) + 1 + W)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'x' is missing"),
        ({"x": draw(), "z": draw()}, "'z' is no input"),
        ({"x": draw()[:2]}, r"input 'x': its shape is \[2, 4\], not \[4, 4\]"),
        ({"x": draw().astype(np.float64)}, "input 'x': its dtype is float64, not float32"),
        ({"x": OnDevice(draw().astype(np.int32))}, "input 'x': its dtype is i32, not f32"),
        ({"x": OnDevice(draw()[:2])}, r"input 'x': its shape is \[2, 4\], not \[4, 4\]"),
        ({"x": OnDevice(draw().T)}, r"its strides are \[1, 4\], not \[4, 1\]"),
        ({"x": [1.0]}, "input 'x': list is no array"),
    ],
)
def test_wrong_inputs(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make().run(inputs)


def test_an_input_elsewhere_is_refused() -> None:
    class Elsewhere(OnDevice):
        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 1

    with pytest.raises(InputError, match="device 1 of DLPack's kind 2, not on GPU 0"):
        make()(Elsewhere(draw()))


def test_out_of_memory_frees_what_was_taken() -> None:
    device = FakeDevice(KERNELS, memory=130)
    with pytest.raises(ToolchainError, match="out of GPU memory: inputs and outputs need"):
        make(device=device)
    gc.collect()
    assert device.allocated == 0


@pytest.mark.parametrize("explicitly", [True, False])
def test_everything_is_freed(explicitly: bool) -> None:
    device = FakeDevice(KERNELS)
    program = make(MIXED, device)
    (kept,) = program(OnDevice(aligned(draw(1))))
    array = np.from_dlpack(kept)
    if explicitly:
        program.close()
    del program, kept
    gc.collect()
    assert device.allocated == 64 and not device.loaded
    np.testing.assert_array_equal(array, 2 * (draw(1) @ W) + 1)
    del array
    gc.collect()
    assert device.allocated == 0


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (replace(PROGRAM, arena=32), "buffer t lies outside"),
        (replace(PROGRAM, constants=0), "buffer w lies outside"),
        (replace(PROGRAM, outputs=("z",)), "no buffer z"),
        (replace(PROGRAM, steps=(kernel("swap", "x", "y"),)), "no kernel swap"),
        (replace(PROGRAM, steps=(kernel("scale", "q", "y"),)), "no buffer q"),
        (replace(PROGRAM, inputs=("t",)), "input t is a buffer of another role"),
        (
            replace(PROGRAM, buffers=(*PROGRAM.buffers, buffer("x", "input"))),
            "two buffers have one name",
        ),
        (
            replace(PROGRAM, buffers=(*PROGRAM.buffers, buffer("v", "constant", 0, "c9"))),
            "no constant c9",
        ),
    ],
)
def test_a_program_that_is_not_whole(program: HostProgram, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_program(program, CUBINS, CONSTANTS)


def test_a_constant_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="constant c0 does not fit the buffer w"):
        check_program(PROGRAM, CUBINS, {"c0": np.zeros(15, np.float32)})
