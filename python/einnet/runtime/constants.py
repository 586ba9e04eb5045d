"""Weights and prepared constants in a safetensors file: mapped into memory, not copied."""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np

from einnet.codegen.cpu.call import Array
from einnet.errors import InputError, Location

# safetensors' names of element types.
_DTYPES = {
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
}
_LENGTH = struct.Struct("<Q")


def save_constants(path: Path, arrays: Mapping[str, Array]) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def map_constants(path: Path) -> dict[str, Array]:
    """The arrays of `path`, read-only, backed by the file.

    `InputError` unless the file is well-formed: its header is data, and is checked as such.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise _malformed(path, str(error)) from error
    if len(mapped) < _LENGTH.size:
        raise _malformed(path, "it has no header")
    (length,) = _LENGTH.unpack(mapped[: _LENGTH.size])
    start = _LENGTH.size + length
    if start > len(mapped):
        raise _malformed(path, "its header is cut off")
    try:
        header = json.loads(mapped[_LENGTH.size : start])
    except ValueError as error:
        raise _malformed(path, "its header is not JSON") from error
    if not isinstance(header, dict):
        raise _malformed(path, "its header is not an object")
    entries = cast(dict[str, object], header)
    return {
        name: _array(path, mapped, start, name, entry)
        for name, entry in entries.items()
        if name != "__metadata__"
    }


def _array(path: Path, mapped: mmap.mmap, start: int, name: str, entry: object) -> Array:
    match entry:
        case {
            "dtype": str(dtype),
            "shape": [*shape],
            "data_offsets": [int(begin), int(end)],
        } if dtype in _DTYPES and all(isinstance(extent, int) for extent in shape):
            extents = cast(list[int], shape)
            nbytes = int(np.prod(extents, dtype=np.int64)) * np.dtype(_DTYPES[dtype]).itemsize
            if min([*extents, begin], default=0) >= 0 and end - begin == nbytes:
                if start + end > len(mapped):
                    raise _malformed(path, f"'{name}' is cut off")
                flat = np.frombuffer(mapped, np.uint8, nbytes, start + begin)
                return flat.view(_DTYPES[dtype]).reshape(extents)
        case _:
            pass
    raise _malformed(path, f"the header's entry for '{name}' makes no sense")


def _malformed(path: Path, reason: str) -> InputError:
    return InputError(f"not a usable safetensors file: {reason}", location=Location(str(path)))
