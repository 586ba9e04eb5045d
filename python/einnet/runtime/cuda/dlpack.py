"""DLPack: the C structures by which libraries hand each other tensors in place.

Reading borrows: a capsule that is never consumed frees its tensor when it is collected. Version 0
of the protocol is read and written, which every library speaks.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CPU, CUDA, CUDA_MANAGED = 1, 2, 13
"""DLPack's numbers of kinds of devices."""

_CODES = {(0, 8): "i8", (0, 16): "i16", (0, 32): "i32", (0, 64): "i64"} | {
    (2, 16): "f16",
    (2, 32): "f32",
    (2, 64): "f64",
    (4, 16): "bf16",
}
_NUMBERS = {dtype: code for code, dtype in _CODES.items()}

_NAME = b"dltensor"


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = [
        ("tensor", _Tensor),
        ("context", ctypes.c_void_p),
        ("deleter", _Deleter),
    ]


@dataclass(frozen=True)
class Tensor:
    """A tensor in memory that `keep` keeps alive. `strides` count elements; `device` is DLPack's
    kind and ordinal; `dtype` is one of ours, or what DLPack says if we have none such."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    device: tuple[int, int]
    keep: object

    @property
    def contiguous(self) -> bool:
        """Whether it is dense and row-major; strides along extents of 1 don't matter."""
        expected = 1
        for extent, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if extent != 1 and stride != expected:
                return not all(self.shape)
            expected *= extent
        return True


def read_capsule(capsule: Any) -> Tensor:
    """The tensor of what a `__dlpack__` method returned."""
    pointer = _get_pointer(capsule, _NAME)
    tensor = ctypes.cast(pointer, ctypes.POINTER(_Managed)).contents.tensor
    shape = tuple(tensor.shape[: tensor.ndim])
    if tensor.strides:
        strides = tuple(tensor.strides[: tensor.ndim])
    else:  # dense, says the protocol
        strides = tuple(_product(shape[d + 1 :]) for d in range(len(shape)))
    kind = (tensor.code, tensor.bits)
    known = tensor.lanes == 1 and kind in _CODES
    return Tensor(
        address=(tensor.data or 0) + tensor.byte_offset,
        shape=shape,
        strides=strides,
        dtype=_CODES[kind] if known else f"code {tensor.code} of {tensor.bits} bits",
        device=(tensor.device_type, tensor.device_id),
        keep=capsule,
    )


def make_capsule(tensor: Tensor) -> object:
    """A capsule for one consumer of a dense tensor; `tensor.keep` lives as long as it is used."""
    number = _Export(tensor).address
    return _new_capsule(number, _NAME, ctypes.cast(_destroy_capsule, ctypes.c_void_p))


class _Export:
    """A managed tensor that keeps itself alive until its deleter is called."""

    alive: dict[int, _Export] = {}  # noqa: RUF012 (shared on purpose)

    def __init__(self, tensor: Tensor) -> None:
        self._keep = tensor.keep
        self._shape = (ctypes.c_int64 * max(len(tensor.shape), 1))(*tensor.shape)
        self._strides = (ctypes.c_int64 * max(len(tensor.shape), 1))(*tensor.strides)
        managed = _Managed(deleter=_delete)
        managed.tensor.data = tensor.address
        managed.tensor.device_type, managed.tensor.device_id = tensor.device
        managed.tensor.ndim = len(tensor.shape)
        managed.tensor.code, managed.tensor.bits = _NUMBERS[tensor.dtype]
        managed.tensor.lanes = 1
        managed.tensor.shape = ctypes.cast(self._shape, ctypes.POINTER(ctypes.c_int64))
        managed.tensor.strides = ctypes.cast(self._strides, ctypes.POINTER(ctypes.c_int64))
        self._managed = managed
        self.address = ctypes.addressof(managed)
        _Export.alive[self.address] = self


def _forget(address: int) -> None:
    _Export.alive.pop(address, None)


def _release_unused(capsule: int) -> None:
    """What happens to a capsule that is collected: a consumer would have renamed it."""
    if _is_valid(capsule, _NAME):
        _forget(_pointer_of(capsule, _NAME))


def _product(extents: tuple[int, ...]) -> int:
    result = 1
    for extent in extents:
        result *= extent
    return result


_delete = _Deleter(_forget)
_destroy_capsule = _Deleter(_release_unused)


def _api(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


_get_pointer = _api("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
_new_capsule = _api(
    "PyCapsule_New", ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
)
# By address: the capsule is being collected, and must not be referenced again.
_pointer_of = _api("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
_is_valid = _api("PyCapsule_IsValid", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)
