"""Whose arrays a CUDA program takes and returns: NumPy's, and those of libraries on the GPU."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Literal, cast

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from einnet.codegen.gpu.host import Buffer, dense
from einnet.errors import InputError, Location
from einnet.runtime.cuda.device import Device
from einnet.runtime.cuda.dlpack import CPU, CUDA_MANAGED, Tensor, make_capsule, read_capsule

Array = NDArray[Any]

NUMPY_DTYPES: Mapping[str, np.dtype[Any]] = {
    "f64": np.dtype(np.float64),
    "f32": np.dtype(np.float32),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "i64": np.dtype(np.int64),
    "i32": np.dtype(np.int32),
    "i16": np.dtype(np.int16),
    "i8": np.dtype(np.int8),
}
_TYPESTRS = {t.str: name for name, t in NUMPY_DTYPES.items() if name != "bf16"}
_TORCH = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "i64": "int64",
    "i32": "int32",
    "i16": "int16",
    "i8": "int8",
}

Maker = Literal["torch", "cupy", "dlpack"]
"""Who makes the results that stay on the GPU."""


class DeviceArray:
    """A dense result on the GPU for any consumer of DLPack or `__cuda_array_interface__`; made
    where the inputs came from neither torch nor CuPy. Its memory is freed with its last user."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self.shape = tensor.shape
        self.dtype = tensor.dtype

    def __repr__(self) -> str:
        return f"DeviceArray({self.dtype}, {list(self.shape)})"

    @property
    def __cuda_array_interface__(self) -> dict[str, object]:
        if self.dtype == "bf16":
            raise AttributeError("__cuda_array_interface__ knows no bfloat16: use DLPack")
        return {
            "shape": self.shape,
            "typestr": NUMPY_DTYPES[self.dtype].str,
            "data": (self._tensor.address, False),
            "strides": None,
            "version": 3,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._tensor.device

    def __dlpack__(self, **_: object) -> object:
        """A capsule. The values are there already, so no stream has to wait."""
        return make_capsule(self._tensor)


def is_host(value: object) -> bool:
    return isinstance(value, np.ndarray)


def check_host(value: Array, buffer: Buffer, location: Location | None = None) -> None:
    """Raise InputError unless a NumPy array is what the input `buffer` takes."""
    wanted = NUMPY_DTYPES[buffer.dtype]
    if value.dtype != wanted:
        raise _wrong(buffer, f"its dtype is {value.dtype}, not {wanted}", location)
    if value.shape != buffer.shape:
        given = list(value.shape)
        raise _wrong(buffer, f"its shape is {given}, not {list(buffer.shape)}", location)


def read_device(value: object, buffer: Buffer, device: Device, stream: int) -> Tensor:
    """The memory of a GPU array given for the input `buffer`; `stream` waits until it is written.

    Raises InputError if it is no such array, is elsewhere, or has another dtype, shape or layout.
    """
    if hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__"):
        tensor = _read_dlpack(value, buffer, device, stream)
    elif hasattr(value, "__cuda_array_interface__"):
        tensor = _read_interface(value, buffer, device, stream)
    else:
        raise InputError(
            f"input '{buffer.name}': {type(value).__name__} is no array",
            hint="give a NumPy array, or a CuPy array or torch tensor on the GPU",
        )
    if tensor.dtype != buffer.dtype:
        raise _wrong(buffer, f"its dtype is {tensor.dtype}, not {buffer.dtype}")
    if tensor.shape != buffer.shape:
        raise _wrong(buffer, f"its shape is {list(tensor.shape)}, not {list(buffer.shape)}")
    if not tensor.contiguous:
        raise InputError(
            f"input '{buffer.name}': its strides are {list(tensor.strides)}, not"
            f" {list(dense(buffer.shape))}: it is not contiguous",
            hint="give x.contiguous() (torch) or cupy.ascontiguousarray(x)",
        )
    return tensor


def maker_of(value: object) -> Maker:
    """Who makes results like `value`."""
    root = type(value).__module__.partition(".")[0]
    return cast(Maker, root) if root in ("torch", "cupy") else "dlpack"


def make_result(maker: Maker, buffer: Buffer, device: Device) -> tuple[Any, int]:
    """A new array on the device like the output `buffer`, and its address."""
    if maker == "torch":
        torch = cast(Any, sys.modules["torch"])
        dtype = getattr(torch, _TORCH[buffer.dtype])
        made = torch.empty(buffer.shape, dtype=dtype, device=f"cuda:{device.ordinal}")
        return made, int(made.data_ptr())
    if maker == "cupy" and buffer.dtype != "bf16":
        cupy = cast(Any, sys.modules["cupy"])
        with cupy.cuda.Device(device.ordinal):
            made = cupy.empty(buffer.shape, NUMPY_DTYPES[buffer.dtype])
        return made, int(made.data.ptr)
    memory = device.allocate(buffer.bytes, f"the result '{buffer.name}'")
    tensor = Tensor(
        memory.address, buffer.shape, dense(buffer.shape), buffer.dtype, device.dlpack, memory
    )
    return DeviceArray(tensor), memory.address


def _read_dlpack(value: Any, buffer: Buffer, device: Device, stream: int) -> Tensor:
    kind, ordinal = (int(part) for part in value.__dlpack_device__())
    kinds = {device.dlpack[0], CUDA_MANAGED}
    if kind not in kinds or ordinal != device.dlpack[1]:
        host = kind == CPU and CPU not in kinds
        where = "host memory" if host else f"device {ordinal} of DLPack's kind {kind}"
        raise InputError(
            f"input '{buffer.name}': it is in {where}, not on GPU {device.ordinal}",
            hint="move it there, or give a NumPy array",
        )
    try:
        return read_capsule(value.__dlpack__(stream=stream))
    except BufferError as error:
        # Such as a tensor that requires a gradient.
        raise InputError(f"input '{buffer.name}' cannot be shared: {error}") from error


def _read_interface(value: Any, buffer: Buffer, device: Device, stream: int) -> Tensor:
    interface = value.__cuda_array_interface__
    shape = tuple(int(n) for n in interface["shape"])
    typestr = str(interface["typestr"])
    if interface.get("mask") is not None:
        raise InputError(f"input '{buffer.name}': masked arrays are not supported")
    size = int(typestr[2:])
    strides = interface.get("strides")
    elements = dense(shape) if strides is None else tuple(int(s) // size for s in strides)
    # From version 3 on, no stream means that the values are there; before, nobody says.
    if interface.get("stream") is not None or int(interface["version"]) < 3:
        device.wait(stream, int(interface.get("stream") or 0))
    return Tensor(
        address=int(interface["data"][0]),
        shape=shape,
        strides=elements,
        dtype=_TYPESTRS.get(typestr, typestr),
        device=device.dlpack,
        keep=value,
    )


def _wrong(buffer: Buffer, what: str, location: Location | None = None) -> InputError:
    return InputError(f"input '{buffer.name}': {what}", location=location)
