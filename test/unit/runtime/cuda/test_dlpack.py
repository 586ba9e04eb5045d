"""DLPack capsules, read from NumPy and written for NumPy: device memory is no different."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from einnet.runtime.cuda.arrays import NUMPY_DTYPES
from einnet.runtime.cuda.dlpack import CPU, Tensor, make_capsule, read_capsule


class Owner:
    """What keeps a tensor's memory."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array


class Producer:
    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return CPU, 0

    def __dlpack__(self, **_: object) -> Any:
        return self._capsule


def tensor_of(array: np.ndarray, dtype: str) -> tuple[Tensor, weakref.ref[Owner]]:
    owner = Owner(array)
    strides = tuple(s // array.itemsize for s in array.strides)
    tensor = Tensor(array.ctypes.data, array.shape, strides, dtype, (CPU, 0), owner)
    return tensor, weakref.ref(owner)


@pytest.mark.parametrize("dtype", [d for d in NUMPY_DTYPES if d != "bf16"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 4), (2, 3, 4)])
def test_reading(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, NUMPY_DTYPES[dtype])
    tensor = read_capsule(array.__dlpack__())
    assert (tensor.shape, tensor.dtype, tensor.device) == (shape, dtype, (CPU, 0))
    assert tensor.contiguous
    if array.size:
        assert tensor.address == array.ctypes.data


def test_reading_keeps_the_memory_and_gives_it_back() -> None:
    array = np.arange(6.0)
    gone = weakref.ref(array)
    tensor = read_capsule(array.__dlpack__())
    del array
    gc.collect()
    assert gone() is not None
    del tensor
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("array", "contiguous"),
    [
        (np.ones((4, 4)).T, False),
        (np.ones((4, 8))[:, ::2], False),
        (np.ones((4, 1, 8))[:, :, :], True),
        (np.ones((1, 8))[:, ::1], True),
        (np.ones((8, 4))[::8], True),
    ],
)
def test_contiguity(array: np.ndarray, contiguous: bool) -> None:
    assert read_capsule(array.__dlpack__()).contiguous is contiguous


def test_an_unknown_type_is_described() -> None:
    assert read_capsule(np.ones(3, np.uint8).__dlpack__()).dtype == "code 1 of 8 bits"


def test_bfloat16_round_trip() -> None:
    array = np.ones((2, 3), NUMPY_DTYPES["bf16"])
    tensor, _ = tensor_of(array, "bf16")
    assert read_capsule(make_capsule(tensor)).dtype == "bf16"


def test_a_consumer_keeps_the_owner() -> None:
    array = np.arange(12, dtype=np.int32).reshape(3, 4)
    tensor, owner = tensor_of(array, "i32")
    capsule = make_capsule(tensor)
    del tensor
    result = np.from_dlpack(Producer(capsule))
    del capsule
    gc.collect()
    np.testing.assert_array_equal(result, array)
    assert owner() is not None
    del result
    gc.collect()
    assert owner() is None


def test_a_capsule_nobody_takes_releases_the_owner() -> None:
    tensor, owner = tensor_of(np.arange(3), "i64")
    capsule = make_capsule(tensor)
    del tensor
    assert owner() is not None
    del capsule
    gc.collect()
    assert owner() is None
