"""Weights outside the IR: named arrays in a safetensors file, each with a content hash.

A leaf module: the front ends write such files beside a model, an artifact holds one.

The safetensors package copies every tensor on load and knows no bfloat16 in NumPy; the format is a
length, a JSON header and raw bytes, so it is read and written here, and mapped.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, cast

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from einnet.errors import InputError, Location
from einnet.output import write_file

Array = NDArray[Any]

_DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "U16": np.dtype(np.uint16),
    "I16": np.dtype(np.int16),
    "U32": np.dtype(np.uint32),
    "I32": np.dtype(np.int32),
    "U64": np.dtype(np.uint64),
    "I64": np.dtype(np.int64),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


class Weights(Mapping[str, Array]):
    """An immutable ordered mapping from names to arrays.

    The arrays are read-only and C-contiguous. Equality compares contents bit by bit.
    """

    def __init__(self, arrays: Mapping[str, Array] | None = None) -> None:
        self._arrays = {name: _frozen(array) for name, array in (arrays or {}).items()}

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Weights) and self.digests == other.digests

    def __hash__(self) -> int:
        return hash(tuple(self.digests.items()))

    def __repr__(self) -> str:
        return f"Weights({len(self)} tensors, {self.bytes} bytes)"

    @property
    def bytes(self) -> int:
        """The size of all arrays."""
        return sum(array.nbytes for array in self._arrays.values())

    @functools.cached_property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of each tensor's dtype, shape and bytes, in hexadecimal."""
        return {name: _digest(array) for name, array in self._arrays.items()}

    def save(self, path: Path) -> None:
        """Write a safetensors file; it replaces `path` as `write_file` does."""
        # Wide elements first keeps every tensor aligned to its element size.
        layout = sorted(self._arrays.items(), key=lambda item: -item[1].itemsize)
        offsets: dict[str, tuple[int, int]] = {}
        end = 0
        for name, array in layout:
            offsets[name] = (end, end + array.nbytes)
            end += array.nbytes
        header = json.dumps(
            {
                name: {
                    "dtype": _CODES[array.dtype],
                    "shape": array.shape,
                    "data_offsets": offsets[name],
                }
                for name, array in self._arrays.items()
            }
        ).encode()
        header += b" " * (-len(header) % 8)
        start = (len(header).to_bytes(8, "little"), header)
        write_file(path, chain(start, (array.tobytes() for _, array in layout)))

    @staticmethod
    def load(path: Path) -> Weights:
        """Map a safetensors file: pages are read when an array is, and shared between processes.

        Raises `InputError` if the file is missing, or is not a whole safetensors file.
        """
        if not os.path.isfile(path):
            raise InputError("there is no such file", location=Location(str(path)))
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                if size < 8 or length > size - 8:
                    raise _malformed(path, "its header is not whole")
                header = cast(object, json.loads(file.read(length)))
        except OSError as error:
            raise InputError(
                f"cannot be read: {error.strerror}", location=Location(str(path))
            ) from error
        except (ValueError, RecursionError) as error:
            raise _malformed(path, f"its header is not JSON: {error}") from error
        if not isinstance(header, dict):
            raise _malformed(path, "its header is not a JSON object")
        entries = {
            str(name): entry for name, entry in header.items() if str(name) != "__metadata__"
        }
        start = 8 + length
        data = np.memmap(path, np.uint8, "r") if size > start else np.empty(size, np.uint8)
        return Weights(
            {name: _slice(path, name, entry, data[start:]) for name, entry in entries.items()}
        )


def _frozen(array: Array) -> Array:
    """A read-only C-contiguous view; a copy only if the array is not contiguous already."""
    if array.dtype not in _CODES:
        raise ValueError(f"weights cannot have the dtype {array.dtype}")
    # `ascontiguousarray` would turn a scalar into a vector.
    view = (array if array.flags.c_contiguous else array.copy(order="C")).view()
    view.flags.writeable = False
    return view


def _digest(array: Array) -> str:
    content = hashlib.sha256(f"{_CODES[array.dtype]} {list(array.shape)} ".encode())
    content.update(array.reshape(-1).view(np.uint8).data)
    return content.hexdigest()


def _slice(path: Path, name: str, entry: object, data: Array) -> Array:
    """The array that a header's entry describes, as a view of `data`."""
    match entry:
        case {"dtype": str(code), "shape": [*shape], "data_offsets": [int(start), int(end)]}:
            pass
        case _:
            raise _malformed(path, f"the entry of '{name}' lacks a dtype, shape or offsets")
    if code not in _DTYPES:
        raise _malformed(path, f"'{name}' has the unknown dtype {code}")
    sizes = [size for size in shape if isinstance(size, int) and size >= 0]
    dtype = _DTYPES[code]
    if len(sizes) != len(shape) or end - start != math.prod(sizes) * dtype.itemsize:
        raise _malformed(path, f"the shape of '{name}' does not fit its bytes")
    if not 0 <= start <= end <= len(data):
        raise _malformed(path, f"'{name}' lies outside the file: it is cut short")
    # `view` on a subclass such as memmap keeps the file mapped for as long as the array lives.
    return data[start:end].view(dtype).reshape(sizes)


def _malformed(path: Path, why: str) -> InputError:
    return InputError(
        f"not a safetensors file: {why}",
        location=Location(str(path)),
        hint="write the file again with Weights.save or the safetensors package",
    )
