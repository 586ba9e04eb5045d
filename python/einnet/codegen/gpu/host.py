"""The host program: what a CUDA artifact runs, as data. Needs neither MLIR nor CUDA.

A flat list of steps over named buffers: launches of generated kernels, and calls of library
operators by what they compute. Which algorithm or engine of a library runs is not part of it: that
is measured, and recorded by the key of the step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Literal, TypeVar, cast

T = TypeVar("T")

Role = Literal["input", "output", "constant", "temporary"]

BYTES = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "i64": 8, "i32": 4, "i16": 2, "i8": 1}
"""Element types of buffers and the bytes of an element."""

ALIGNMENT = 256
"""Every buffer starts at a multiple of this many bytes."""


@dataclass(frozen=True)
class Buffer:
    """A tensor in device memory. `strides` count elements, one for each dimension of `shape`.

    Inputs and outputs are dense and row-major, and their addresses are the caller's. Constants and
    temporaries start `offset` bytes into the memory of their role; temporaries that are not alive
    at the same time may share memory. `name` is unique in its program; an input's or output's is
    the one that the model gives it. A constant's `content` is the key of its values in the
    artifact, laid out in memory order (`strides` decreasing, the gaps filled with zeros).
    """

    name: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    role: Role
    offset: int = 0
    content: str = ""

    @property
    def elements(self) -> int:
        """Elements from the first to the last, gaps included; 0 if there are none."""
        if not all(self.shape):
            return 0
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))

    @property
    def bytes(self) -> int:
        return self.elements * BYTES[self.dtype]


@dataclass(frozen=True)
class KernelLaunch:
    """A launch of the generated kernel `symbol`, whose parameters are the addresses of `arguments`
    (buffers: what it reads, then what it writes, `outputs` of them). `shared` counts bytes of
    dynamic shared memory."""

    symbol: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int
    arguments: tuple[str, ...]
    outputs: int = 1
    label: str = ""

    @staticmethod
    def from_json(data: object) -> KernelLaunch:
        """As `HostProgram.from_json`."""
        return _made(KernelLaunch, _tupled(data))


@dataclass(frozen=True)
class Matrix:
    """A (batch of) matrices in a buffer, from its element `offset` on.

    An element is at `batch*batch_stride + row*leading + column`, or, if `transposed`, at
    `batch*batch_stride + column*leading + row`. Strides count elements.
    """

    buffer: str
    leading: int
    transposed: bool = False
    batch_stride: int = 0
    offset: int = 0


@dataclass(frozen=True)
class MatrixProduct:
    """`d[b,i,j] = activation(alpha * sum_k a[b,i,k]*b[b,k,j] + beta*c[b,i,j] + bias[j])`.

    `batch`, `m`, `n`, `k` are sizes; `dtype` is the operands' element type and `result` that of c
    and d; sums are f32 (f64 for f64). `precision` is what f32 operands are multiplied in: "fp32" or
    "tf32". `bias` is a dense buffer of n elements of type `result`. "gelu" is its form by tanh.
    """

    batch: int
    m: int
    n: int
    k: int
    a: Matrix
    b: Matrix
    d: Matrix
    dtype: str
    result: str
    precision: str
    alpha: float = 1.0
    beta: float = 0.0
    c: Matrix | None = None
    bias: str = ""
    activation: Literal["", "relu", "gelu"] = ""
    label: str = ""

    @property
    def arguments(self) -> tuple[str, ...]:
        read = [self.a.buffer, self.b.buffer, *([self.c.buffer] if self.c else [])]
        return (*read, *([self.bias] if self.bias else []), self.d.buffer)

    @property
    def outputs(self) -> int:
        return 1


@dataclass(frozen=True)
class Image:
    """A batch of multi-channel images in a buffer, from its element `offset` on: extents and
    strides (in elements) of batch, channels and each spatial dimension, in this order."""

    buffer: str
    extents: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True)
class ConvolutionCall:
    """`y = activation(conv(x, w) + z + bias[f])`, a cross-correlation, or its transposition.

    Forward: `y[n,f,h..] = sum x[n,c,(stride*h + dilation*r - low)..] * w[f,c,r..]`. Transposed:
    `y[n,f,h..] = sum x[n,c,((h + low - dilation*r) / stride)..] * w[c,f,r..]` over exact divisions:
    the gradient of a forward convolution with respect to its input. Reads outside of x give 0; the
    padding `low` and `high` is the forward convolution's, and x's and y's extents are given by the
    images. Groups split c and f into equal parts. Types and precision as in `MatrixProduct`.
    """

    transposed: bool
    x: Image
    w: Image
    y: Image
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    groups: int
    dtype: str
    result: str
    precision: str
    z: Image | None = None
    bias: str = ""
    activation: Literal["", "relu"] = ""
    label: str = ""

    @property
    def arguments(self) -> tuple[str, ...]:
        read = [self.x.buffer, self.w.buffer, *([self.z.buffer] if self.z else [])]
        return (*read, *([self.bias] if self.bias else []), self.y.buffer)

    @property
    def outputs(self) -> int:
        return 1


LibraryCall = MatrixProduct | ConvolutionCall
Step = KernelLaunch | LibraryCall


@dataclass(frozen=True)
class HostProgram:
    """Steps in the order of execution over buffers; `inputs` and `outputs` in the model's order.

    `arena` is the memory of all temporaries and `constants` that of all constants, in bytes; the
    scratch memory of library calls is not among them. An output may be named twice, and may be an
    input: it is then copied by whoever runs the program.
    """

    name: str
    buffers: tuple[Buffer, ...]
    steps: tuple[Step, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    arena: int
    constants: int

    def buffer(self, name: str) -> Buffer:
        """The buffer of that name; raises KeyError if there is none."""
        for buffer in self.buffers:
            if buffer.name == name:
                return buffer
        raise KeyError(name)

    @property
    def calls(self) -> tuple[LibraryCall, ...]:
        return tuple(s for s in self.steps if not isinstance(s, KernelLaunch))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The kernels that the program launches, each once."""
        return tuple(dict.fromkeys(s.symbol for s in self.steps if isinstance(s, KernelLaunch)))

    def to_json(self) -> dict[str, object]:
        data = asdict(self)
        data["steps"] = [{"kind": _KINDS[type(s)], **asdict(s)} for s in self.steps]
        return data

    @staticmethod
    def from_json(data: object) -> HostProgram:
        """Raises KeyError, TypeError or ValueError for anything that `to_json` does not write."""
        fields = cast(dict[str, object], _tupled(data))
        buffers = tuple(_made(Buffer, b) for b in _items(fields["buffers"]))
        steps = tuple(_step(s) for s in _items(fields["steps"]))
        return _made(HostProgram, {**fields, "buffers": buffers, "steps": steps})


def dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The row-major strides of a shape."""
    return tuple(prod(shape[d + 1 :]) for d in range(len(shape)))


def key_of(call: LibraryCall) -> str:
    """What two calls share that any algorithm of the one also runs the other: all but the names of
    their buffers and labels. Hexadecimal, 16 digits; what records of measurements are found by."""
    anonymous = replace(call, label="", bias="bias" if call.bias else "")
    data = {"kind": _KINDS[type(call)], **asdict(anonymous)}
    for value in data.values():
        if isinstance(value, dict):
            value.pop("buffer", None)
    text = json.dumps(data, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


_KINDS: dict[type[Step], str] = {
    KernelLaunch: "kernel",
    MatrixProduct: "product",
    ConvolutionCall: "convolution",
}


def _step(data: object) -> Step:
    fields = dict(cast(dict[str, object], data))
    kind = fields.pop("kind")
    if kind == "kernel":
        return _made(KernelLaunch, fields)
    if kind == "product":
        for name in ("a", "b", "c", "d"):
            if fields[name] is not None:
                fields[name] = _made(Matrix, fields[name])
        return _made(MatrixProduct, fields)
    if kind == "convolution":
        for name in ("x", "w", "y", "z"):
            if fields[name] is not None:
                fields[name] = _made(Image, fields[name])
        return _made(ConvolutionCall, fields)
    raise ValueError(f"no step is of kind {kind!r}")


def _made(type_: type[T], fields: object) -> T:
    return type_(**cast(dict[str, object], fields))


def _items(value: object) -> Iterator[object]:
    if not isinstance(value, tuple):
        raise TypeError(f"not a list: {value!r}")
    yield from cast(tuple[object, ...], value)


def _tupled(value: object) -> object:
    """JSON with its lists as tuples."""
    if isinstance(value, list | tuple):
        return tuple(_tupled(v) for v in cast(list[object], value))
    if isinstance(value, dict):
        return {k: _tupled(v) for k, v in cast(dict[str, object], value).items()}
    return value
