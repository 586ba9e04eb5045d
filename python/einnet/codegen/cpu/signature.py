"""What a compiled function expects: the border between the compiler and everything that calls.

Nothing here imports MLIR, so that an artifact runs without it. A compiled function is a C symbol
`void f(void **pointers)`; the pointers are, in order, the arguments, the results and the
workspace slots of its `Signature`, each a contiguous row-major buffer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from einnet.errors import InputError, Location

Role = Literal["input", "weight", "constant"]

# MLIR's name of an element type -> NumPy's. i1 is absent on purpose: the LLVM lowering of
# `memref<i1>` aborts the process in an assertions build of MLIR 22.
NUMPY_DTYPES = {
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "index": "int64",
}


@dataclass(frozen=True)
class Tensor:
    """A dense row-major tensor: its static shape and its element type, by MLIR's name."""

    shape: tuple[int, ...]
    element: str

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(NUMPY_DTYPES[self.element])

    @property
    def elements(self) -> int:
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    @property
    def nbytes(self) -> int:
        return self.elements * self.dtype.itemsize

    def __str__(self) -> str:
        return f"tensor<{''.join(f'{extent}x' for extent in self.shape)}{self.element}>"


@dataclass(frozen=True)
class Argument:
    """One argument: `name` is an input's or a weight's name, or a prepared constant's number."""

    name: str
    role: Role
    tensor: Tensor

    @property
    def what(self) -> str:
        """What messages call it."""
        return f"{self.role} '{self.name}'"


@dataclass(frozen=True)
class Result:
    name: str
    tensor: Tensor


@dataclass(frozen=True)
class Signature:
    """`symbol(arguments..., results..., workspace...)`; `workspace` holds sizes in bytes.

    No two buffers may overlap unless both are only read: the compiled code relies on it.
    """

    symbol: str
    arguments: tuple[Argument, ...]
    results: tuple[Result, ...]
    workspace: tuple[int, ...]

    @property
    def inputs(self) -> tuple[Argument, ...]:
        return tuple(a for a in self.arguments if a.role == "input")

    @property
    def stored(self) -> tuple[Argument, ...]:
        """Weights and constants: what a loaded program holds, rather than gets at each call."""
        return tuple(a for a in self.arguments if a.role != "input")

    def to_json(self) -> dict[str, object]:
        return {
            "symbol": self.symbol,
            "arguments": [
                {"name": a.name, "role": a.role, **_tensor_json(a.tensor)} for a in self.arguments
            ],
            "results": [{"name": r.name, **_tensor_json(r.tensor)} for r in self.results],
            "workspace": list(self.workspace),
        }

    @staticmethod
    def from_json(data: object, location: Location | None = None) -> Signature:
        """The inverse of `to_json`.

        An `InputError` at `location` says which field is missing or ill-typed.
        """
        try:
            return Signature._from_json(data)
        except InputError as error:
            error.location = location
            raise

    @staticmethod
    def _from_json(data: object) -> Signature:
        record = _record(data, "signature")
        return Signature(
            symbol=_text(record, "symbol"),
            arguments=tuple(
                Argument(_text(a, "name"), _role(a), _tensor(a))
                for a in (_record(a, "argument") for a in _items(record, "arguments"))
            ),
            results=tuple(
                Result(_text(r, "name"), _tensor(r))
                for r in (_record(r, "result") for r in _items(record, "results"))
            ),
            workspace=_integers(record, "workspace"),
        )


def _tensor_json(tensor: Tensor) -> dict[str, object]:
    return {"shape": list(tensor.shape), "element": tensor.element}


def _record(data: object, what: str) -> dict[str, object]:
    if not isinstance(data, dict):
        raise InputError(f"manifest: {what} is not an object")
    return cast(dict[str, object], data)


def _items(record: dict[str, object], key: str) -> list[object]:
    value = record.get(key)
    if not isinstance(value, list):
        raise InputError(f"manifest: '{key}' is not a list")
    return cast(list[object], value)


def _integers(record: dict[str, object], key: str) -> tuple[int, ...]:
    integers: list[int] = []
    for item in _items(record, key):
        if not isinstance(item, int) or isinstance(item, bool) or item < 0:
            raise InputError(f"manifest: '{key}' holds {item!r}, not a size")
        integers.append(item)
    return tuple(integers)


def _text(record: dict[str, object], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise InputError(f"manifest: '{key}' is not a string")
    return value


def _role(record: dict[str, object]) -> Role:
    role = _text(record, "role")
    if role not in ("input", "weight", "constant"):
        raise InputError(f"manifest: unknown role '{role}' of an argument")
    return role


def _tensor(record: dict[str, object]) -> Tensor:
    element = _text(record, "element")
    if element not in NUMPY_DTYPES:
        raise InputError(f"manifest: unknown element type '{element}'")
    return Tensor(_integers(record, "shape"), element)
