"""Calling compiled code: a C symbol, its signature, and the workspace it computes in."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einnet.codegen.cpu.signature import Signature, Tensor
from einnet.errors import InputError, Location

Array = NDArray[Any]

# A cache line: vector loads of workspace buffers never straddle two, and slots never share one.
_ALIGNMENT = 64


class CompiledFunction:
    """A function of the C type `void (void **pointers)`; `call` takes the address of `pointers`.

    Its workspace is allocated and touched by the first call, so that no later one pays for page
    faults. Calls from several threads take turns, since they share the workspace.
    """

    def __init__(
        self,
        call: Callable[[int], object],
        signature: Signature,
        bound: Mapping[int, Array] | None = None,
    ) -> None:
        """`bound` fixes arguments, by their position, for all calls."""
        self.signature = signature
        self._call = call
        self._lock = threading.Lock()
        self._bound = dict(bound or {})
        self._free = [
            _Expected(position, argument.what, argument.tensor)
            for position, argument in enumerate(signature.arguments)
            if position not in self._bound
        ]
        self._results = [
            _Expected(position, f"result '{result.name}'", result.tensor)
            for position, result in enumerate(signature.results, start=len(signature.arguments))
        ]
        self._workspace: list[Array] = []
        self._pointers = (ctypes.c_void_p * 0)()

    def bind(self, stored: Sequence[Array]) -> CompiledFunction:
        """The function of the inputs alone: `stored` are its weights and constants, in order."""
        positions = [i for i, a in enumerate(self.signature.arguments) if a.role != "input"]
        _check_count("stored array", len(stored), len(positions))
        for position, array in zip(positions, stored, strict=True):
            argument = self.signature.arguments[position]
            _Expected(position, argument.what, argument.tensor).check(array)
        return CompiledFunction(
            self._call, self.signature, dict(zip(positions, stored, strict=True))
        )

    def __call__(self, *arguments: Array, out: Sequence[Array] | None = None) -> tuple[Array, ...]:
        """Run on the arguments that are not bound, in order; they are read in place.

        Results are new arrays, or `out`, which must overlap no argument and is overwritten.
        Raises `InputError` for a wrong number, shape, dtype or layout.
        """
        _check_count("argument", len(arguments), len(self._free))
        for expected, array in zip(self._free, arguments, strict=True):
            expected.check(array)
        if out is None:
            results = tuple(np.empty(e.shape, e.dtype) for e in self._results)
        else:
            results = tuple(out)
            self._check_results((*arguments, *self._bound.values()), results)
        with self._lock:
            if not self._pointers:
                self._prepare()
            for expected, array in zip(self._free, arguments, strict=True):
                self._pointers[expected.position] = array.ctypes.data
            for expected, array in zip(self._results, results, strict=True):
                self._pointers[expected.position] = array.ctypes.data
            self._call(ctypes.addressof(self._pointers))
        return results

    def _prepare(self) -> None:
        """Fill in the pointers that stay the same for all calls."""
        first_slot = len(self.signature.arguments) + len(self.signature.results)
        self._workspace = [_aligned(nbytes) for nbytes in self.signature.workspace]
        self._pointers = (ctypes.c_void_p * (first_slot + len(self._workspace)))()
        for position, array in self._bound.items():
            self._pointers[position] = array.ctypes.data
        for position, slot in enumerate(self._workspace, start=first_slot):
            self._pointers[position] = slot.ctypes.data

    def _check_results(self, arguments: Sequence[Array], results: Sequence[Array]) -> None:
        _check_count("result", len(results), len(self._results))
        for index, (expected, array) in enumerate(zip(self._results, results, strict=True)):
            expected.check(array)
            if not array.flags.writeable:
                raise InputError(f"{expected.what}: the array is read-only")
            if any(np.may_share_memory(array, o) for o in (*arguments, *results[:index])):
                raise InputError(f"{expected.what}: the array overlaps another argument or result")


class _Expected:
    """An argument or result, laid out for the check of each call: a call costs microseconds."""

    def __init__(self, position: int, what: str, tensor: Tensor) -> None:
        self.position = position
        self.what = what
        self.shape = tensor.shape
        self.dtype = tensor.dtype

    def check(self, array: Array) -> None:
        check_array(self.what, array, self.shape, self.dtype)


def check_array(
    what: str,
    array: Array,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    location: Location | None = None,
) -> None:
    """`InputError` unless `array`, called `what`, is contiguous and of this shape and dtype."""
    if array.shape != shape:
        raise InputError(f"{what}: its shape is {array.shape}, expected {shape}", location=location)
    if array.dtype != dtype:
        raise InputError(
            f"{what}: its dtype is {array.dtype}, expected {dtype}",
            location=location,
            hint=f"convert it: array.astype('{dtype}')",
        )
    if not array.flags.c_contiguous:
        raise InputError(
            f"{what}: the array is not contiguous",
            location=location,
            hint="pass numpy.ascontiguousarray(array)",
        )


def _check_count(what: str, given: int, expected: int) -> None:
    if given != expected:
        raise InputError(f"{given} {what}s given, expected {expected}")


def _aligned(nbytes: int) -> NDArray[np.uint8]:
    room = np.empty(nbytes + _ALIGNMENT, np.uint8)
    room.fill(0)  # touches every page now
    start = -room.ctypes.data % _ALIGNMENT
    return room[start : start + nbytes]
