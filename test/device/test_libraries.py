"""Library calls on a GPU, against NumPy in float64: every algorithm that the libraries offer.

Run with `-m device -s` to see the tables. Each test goes through its whole table and fails at the
end with all that was wrong: results, elements written outside of the result, captures in a graph,
records that do not find their algorithm again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from einnet.codegen.gpu.gelu import OWN_ERROR
from einnet.codegen.gpu.host import (
    ConvolutionCall,
    Image,
    LibraryCall,
    Matrix,
    MatrixProduct,
    dense,
)
from einnet.runtime.cuda import convolution, libraries, matmul
from einnet.runtime.cuda.algorithm import Record, Unsupported
from einnet.runtime.cuda.call import Handles, Prepared
from einnet.runtime.cuda.ranking import relative_difference

pytestmark = [pytest.mark.device, pytest.mark.timeout(580)]

REPLAYED = 20
"""Launches in one graph whose replay is timed."""

Flat = NDArray[np.float64]


def _dtype(name: str) -> np.dtype[Any]:
    if name == "bf16":
        return np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    return np.dtype({"f16": "f2", "f32": "f4", "f64": "f8"}[name])


@dataclass(frozen=True)
class _View:
    """A strided part of a flat buffer."""

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    @property
    def elements(self) -> int:
        spread = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        return self.offset + 1 + spread

    def of(self, flat: NDArray[Any]) -> NDArray[Any]:
        strides = [s * flat.itemsize for s in self.strides]
        return as_strided(flat[self.offset :], self.shape, strides)


def _views(call: LibraryCall) -> dict[str, _View]:
    """The operands by role: the result is `d` or `y`."""
    if isinstance(call, MatrixProduct):

        def matrix(m: Matrix, rows: int, columns: int, dtype: str) -> _View:
            steps = (1, m.leading) if m.transposed else (m.leading, 1)
            return _View(dtype, (call.batch, rows, columns), (m.batch_stride, *steps), m.offset)

        found = {
            "a": matrix(call.a, call.m, call.k, call.dtype),
            "b": matrix(call.b, call.k, call.n, call.dtype),
            "d": matrix(call.d, call.m, call.n, call.result),
        }
        if call.c is not None:
            found["c"] = matrix(call.c, call.m, call.n, call.result)
        features = call.n
    else:
        images = {"x": call.x, "w": call.w, "y": call.y}
        if call.z is not None:
            images["z"] = call.z
        found = {
            role: _View(call.dtype if role in "xw" else call.result, i.extents, i.strides, i.offset)
            for role, i in images.items()
        }
        features = call.y.extents[1]
    if call.bias:
        found["bias"] = _View(call.result, (features,), (1,), 0)
    return found


def _reference(call: LibraryCall, values: Mapping[str, Flat]) -> Flat:
    """The result in float64, of operands by role in their logical shapes."""
    if isinstance(call, MatrixProduct):
        result = call.alpha * (values["a"] @ values["b"])
        if call.c is not None:
            result = result + call.beta * values["c"]
        if call.bias:
            result = result + values["bias"]
    else:
        result = _convolved(call, values["x"], values["w"])
        if call.z is not None:
            result = result + values["z"]
        if call.bias:
            ones = (1,) * (result.ndim - 2)
            result = result + values["bias"].reshape(-1, *ones)
    if call.activation == "relu":
        return np.maximum(result, 0)
    if call.activation == "gelu":
        cubic = np.sqrt(2 / np.pi) * (result + 0.044715 * result**3)
        return 0.5 * result * (1 + np.tanh(cubic))
    return result


def _convolved(call: ConvolutionCall, x: Flat, w: Flat) -> Flat:
    y = np.zeros(call.y.extents)
    groups = call.groups
    given, made = x.shape[1] // groups, y.shape[1] // groups
    image, result = (y, x) if call.transposed else (x, y)
    for tap in product(*(range(e) for e in w.shape[2:])):
        reads: list[NDArray[np.int64]] = []
        positions: list[NDArray[np.int64]] = []
        for axis, r in enumerate(tap):
            at = np.arange(result.shape[2 + axis])
            read = call.stride[axis] * at + call.dilation[axis] * r - call.low[axis]
            inside = (read >= 0) & (read < image.shape[2 + axis])
            reads.append(read[inside])
            positions.append(at[inside])
        for group in range(groups):
            ins = np.arange(group * given, (group + 1) * given)
            outs = np.arange(group * made, (group + 1) * made)
            batch = np.arange(x.shape[0])
            if call.transposed:
                part = x[np.ix_(batch, ins, *positions)]
                weights = w[(slice(group * given, (group + 1) * given), slice(None), *tap)]
                y[np.ix_(batch, outs, *reads)] += np.einsum("nc...,cf->nf...", part, weights)
            else:
                part = x[np.ix_(batch, ins, *reads)]
                weights = w[(slice(group * made, (group + 1) * made), slice(None), *tap)]
                y[np.ix_(batch, outs, *positions)] += np.einsum("nc...,fc->nf...", part, weights)
    return y


class _Operands:
    """A call's buffers in device memory. The result holds NaN before every run, gaps included,
    unless it is also c."""

    def __init__(self, call: LibraryCall, seed: int = 0) -> None:
        self._cupy: Any = pytest.importorskip("cupy")
        self._cupy.cuda.Device(0).use()
        self.call = call
        self.views = _views(call)
        self.result = "d" if isinstance(call, MatrixProduct) else "y"
        rng = np.random.default_rng(seed)
        self._host: dict[str, NDArray[Any]] = {}
        self._device: dict[str, Any] = {}
        values: dict[str, Flat] = {}
        in_place = isinstance(call, MatrixProduct) and call.c is not None and call.c.buffer == "d"
        for role, view in self.views.items():
            dtype = _dtype(view.dtype)
            flat = np.frombuffer(b"\xff" * (view.elements * dtype.itemsize), dtype).copy()
            if role != self.result:
                view.of(flat)[...] = rng.standard_normal(view.shape).astype(dtype)
                values[role] = view.of(flat).astype(np.float64)
            self._host[role] = flat
        if in_place:
            self._host["d"] = self._host.pop("c")
        for role, flat in self._host.items():
            self._device[role] = self._cupy.asarray(flat.view(np.uint8))
        self.reference = _reference(call, values)
        self.stream: Any = self._cupy.cuda.Stream(non_blocking=True)
        self._workspace: Any = self._cupy.empty(1, self._cupy.uint8)
        self._cupy.cuda.Device(0).synchronize()

    def address(self, name: str) -> int:
        return int(self._device[name].data.ptr)

    def workspace(self, size: int) -> int:
        if self._workspace.nbytes < size:
            self._workspace = self._cupy.empty(size, self._cupy.uint8)
        return int(self._workspace.data.ptr)

    def reset(self) -> None:
        self._cupy.cuda.Device(0).synchronize()
        self._device[self.result].set(self._host[self.result].view(np.uint8))
        self._cupy.cuda.Device(0).synchronize()

    def run(self, prepared: Prepared) -> NDArray[Any]:
        """The result of one launch; RuntimeError if it wrote anywhere else."""
        self.reset()
        prepared.launch(int(self.stream.ptr), self.workspace(prepared.workspace))
        return self.read()

    def read(self) -> NDArray[Any]:
        self.stream.synchronize()
        before = self._host[self.result]
        after = self._device[self.result].get().view(before.dtype)
        view = self.views[self.result]
        outside = np.ones(len(before), bool)
        view.of(outside)[...] = False
        bits = f"u{before.itemsize}"
        if (before.view(bits)[outside] != after.view(bits)[outside]).any():
            raise RuntimeError("elements outside of the result were written")
        return view.of(after).copy()

    def captured(self, prepared: Prepared, launches: int = 1) -> Any:
        """A CUDA graph of some launches."""
        workspace = self.workspace(prepared.workspace)
        self.stream.begin_capture()
        try:
            for _ in range(launches):
                prepared.launch(int(self.stream.ptr), workspace)
        finally:
            graph = self.stream.end_capture()
        return graph

    def alone(self) -> AbstractContextManager[None]:
        return nullcontext()

    def glance(self, prepared: Prepared) -> float:
        return self.times({"": prepared})[""]

    def time(self, prepared: Mapping[str, Prepared], rounds: int) -> dict[str, float]:
        return self.times(prepared, rounds)

    def times(self, prepared: Mapping[str, Prepared], rounds: int = 7) -> dict[str, float]:
        """Seconds of each call: the median of interleaved replays of a graph."""
        events = self._cupy.cuda
        self.workspace(max(p.workspace for p in prepared.values()))
        graphs = {name: self.captured(p, REPLAYED) for name, p in prepared.items()}
        samples: dict[str, list[float]] = {name: [] for name in prepared}
        for _ in range(rounds):
            for name, graph in graphs.items():
                graph.launch(self.stream)
                start, end = events.Event(), events.Event()
                start.record(self.stream)
                graph.launch(self.stream)
                end.record(self.stream)
                end.synchronize()
                elapsed = float(events.get_elapsed_time(start, end))
                samples[name].append(elapsed * 1e-3 / REPLAYED)
        return {name: float(np.median(s)) for name, s in samples.items()}


def _bound(call: LibraryCall) -> float:
    """The relative error that an algorithm may have, in the Euclidean norm.

    Rounding to f16 costs about 3e-4, to bf16 2.4e-3, inputs to tf32 3e-4; f32 sums 1e-6. The bound
    of fp32 is such that tf32 does not pass for it.
    """
    if call.result == "f64":
        return 1e-11
    if call.result == "bf16":
        return 6e-3
    # Winograd and FFT engines round intermediate transforms as well.
    loose = 4.0 if isinstance(call, ConvolutionCall) else 1.0
    if call.result == "f16":
        return 1e-3 * loose
    if call.dtype == "f32" and call.precision == "tf32":
        return 1e-3 * loose
    return 1e-4 if loose > 1 and call.dtype == "f32" else 2e-5 * loose


def _examine(name: str, call: LibraryCall, handles: Handles, limit: int) -> tuple[str, list[str]]:
    """A row of the table, and what is wrong."""
    operands = _Operands(call)
    started = time.perf_counter()
    if isinstance(call, MatrixProduct):
        found = matmul.candidates(call, operands.address, handles, limit)
    else:
        found = convolution.candidates(call, operands.address, handles, limit)
    searched = time.perf_counter() - started
    wrong: list[str] = []
    errors: list[float] = []
    sound: dict[str, Prepared] = {}
    refused = 0
    for i, candidate in enumerate(found):
        label = f"{name}: [{i}] {candidate.algorithm['name']}"
        try:
            error = relative_difference(operands.run(candidate.prepared), operands.reference)
        except Unsupported as unsupported:
            refused += 1
            if i == 0:
                wrong.append(f"{label}: {unsupported}")
            continue
        except Exception as fault:  # noqa: BLE001 - a fault is a finding; the table goes on
            wrong.append(f"{label}: {type(fault).__name__}: {fault}")
            continue
        errors.append(error)
        if error > _bound(call):
            wrong.append(f"{label}: relative error {error:.2e} > {_bound(call):.0e}")
        else:
            sound[f"{i}"] = candidate.prepared
    if not sound:
        return f"{name:34} no sound algorithm of {len(found)}", wrong
    seconds: dict[str, float] = {}
    for key, prepared in sound.items():
        label = f"{name}: {found[int(key)].algorithm['name']}"
        try:
            operands.reset()
            operands.captured(prepared).launch(operands.stream)
            error = relative_difference(operands.read(), operands.reference)
            if error > _bound(call):
                wrong.append(f"{label}: replayed from a graph, relative error {error:.2e}")
            seconds |= operands.times({key: prepared})
        except Exception as fault:  # noqa: BLE001
            wrong.append(f"{label}: captured: {type(fault).__name__}: {fault}")
    if not seconds:
        return f"{name:34} none of {len(sound)} can be captured", wrong
    best = min(seconds, key=lambda key: seconds[key])
    record = found[int(best)].algorithm
    wrong += _replayed(name, call, operands, record, handles)
    first = next(iter(seconds))
    row = (
        f"{name:34} {len(found):3} found {refused:2} refused in {searched:5.2f} s, error"
        f" {min(errors):.1e}..{max(errors):.1e}, first {seconds[first] * 1e6:8.2f} us, best"
        f" {seconds[best] * 1e6:8.2f} us ({record['workspace']} B): [{best}] {record['name']}"
    )
    return row, wrong


def _replayed(
    name: str, call: LibraryCall, operands: _Operands, record: Record, handles: Handles
) -> list[str]:
    """What is wrong with finding the recorded algorithm again, and with a record of another
    version, which must be a miss and not an error."""
    wrong: list[str] = []
    for algorithm, expected in (
        (json.loads(json.dumps(record)), record),
        ({**record, "version": 1}, None),
        (None, None),
    ):
        try:
            again = libraries.prepare_call(call, operands.address, algorithm, handles)
            error = relative_difference(operands.run(again), operands.reference)
        except Exception as fault:  # noqa: BLE001
            wrong.append(f"{name}: from its record: {type(fault).__name__}: {fault}")
            continue
        if error > _bound(call):
            wrong.append(f"{name}: from its record: relative error {error:.2e}")
        used: Any = getattr(again, "algorithm", None)
        if expected is not None and used != expected:
            wrong.append(f"{name}: recorded {expected}, found {used}")
    return wrong


def _table(
    cases: Mapping[str, LibraryCall], handles: Handles, limit: int, budget: float = 450.0
) -> None:
    started = time.perf_counter()
    wrong: list[str] = []
    for name, call in cases.items():
        if time.perf_counter() - started > budget:
            wrong.append(f"{name}: not reached in {budget:.0f} s")
            continue
        try:
            row, found = _examine(name, call, handles, limit)
        except Unsupported as unsupported:
            row, found = f"{name:34} unsupported: {unsupported}", []
            # Engines for what is merely fused or rare may be missing; that is for the caller.
            if not name.endswith("?"):
                found = [row]
        except Exception as fault:  # noqa: BLE001
            row = f"{name:34} {type(fault).__name__}: {fault}"
            found = [row]
        print(row, flush=True)
        wrong += found
    assert not wrong, f"{len(wrong)} findings:\n" + "\n".join(wrong)


@pytest.fixture(scope="module")
def handles() -> Any:
    cupy: Any = pytest.importorskip("cupy")
    cupy.cuda.Device(0).use()
    cupy.zeros(1)  # makes the primary context current
    made = Handles(0)
    lt, cudnn = matmul.load_cublaslt(), convolution.load_cudnn()
    print(f"\ncuBLASLt {lt.get_version()}, cuDNN {cudnn.backend_version()}", flush=True)
    yield made
    made.close()


def _product(
    order: str = "NN",
    m: int = 256,
    n: int = 192,
    k: int = 320,
    batch: int = 1,
    pad: int = 0,
    dtype: str = "f16",
    result: str = "",
    precision: str = "fp32",
    **changes: Any,
) -> MatrixProduct:
    """Letters: N as stored by rows, T transposed; a third for the result."""

    def matrix(name: str, rows: int, columns: int, letter: str) -> Matrix:
        transposed = letter == "T"
        leading = (rows if transposed else columns) + pad
        stride = leading * (columns if transposed else rows) if batch > 1 else 0
        return Matrix(name, leading, transposed, stride)

    a, b, d = matrix("a", m, k, order[0]), matrix("b", k, n, order[1]), matrix("d", m, n, "N")
    if len(order) > 2:
        d = matrix("d", m, n, order[2])
    call = MatrixProduct(batch, m, n, k, a, b, d, dtype, result or dtype, precision)
    if changes.pop("added", False):
        changes["c"] = replace(d, buffer="c")
    return replace(call, **changes)


TYPES: dict[str, dict[str, str]] = {
    "fp32": {"dtype": "f32"},
    "tf32": {"dtype": "f32", "precision": "tf32"},
    "f16": {"dtype": "f16"},
    "bf16": {"dtype": "bf16"},
    "f16->f32": {"dtype": "f16", "result": "f32"},
    "bf16->f32": {"dtype": "bf16", "result": "f32"},
    "f64": {"dtype": "f64"},
}


def _products() -> dict[str, LibraryCall]:
    cases: dict[str, LibraryCall] = {}
    for type_, types in TYPES.items():
        optional = "" if type_ not in ("f64", "bf16->f32", "f16->f32") else "?"
        for order in ("NN", "NT", "TN", "TT"):
            cases[f"{order} {type_}"] = _product(order, **types)  # pyright: ignore[reportArgumentType]
        if type_ in ("fp32", "tf32", "f16", "bf16"):
            cases[f"batch {type_}"] = _product("NT", batch=5, **types)  # pyright: ignore[reportArgumentType]
            cases[f"padded {type_}"] = _product("NN", pad=8, **types)  # pyright: ignore[reportArgumentType]
        for activation in ("", "relu", "gelu"):
            fused: Any = {"bias": "bias", "activation": activation, **types}
            cases[f"bias {activation} {type_}{optional}"] = _product("NT", **fused)
    shared = _product("NN", batch=4)
    cases["one b for the batch f16"] = replace(shared, b=replace(shared.b, batch_stride=0))
    cases["relu f16"] = _product(activation="relu")
    cases["gelu f16"] = _product(activation="gelu")
    cases["alpha, beta*c f16"] = _product(alpha=0.5, beta=-2.0, added=True)
    in_place = _product(dtype="f32")
    cases["beta*d in place fp32"] = replace(in_place, c=in_place.d, beta=1.0)
    cases["batch, bias, relu f16"] = _product(batch=3, bias="bias", activation="relu")
    cases["result by columns f16"] = _product("NNT")
    cases["result by columns, c tf32"] = _product(
        "TTT", dtype="f32", precision="tf32", added=True, beta=1.0
    )
    cases["odd sizes f16"] = _product("NN", m=49, n=33, k=57)
    cases["odd sizes tf32"] = _product("NT", m=49, n=33, k=57, dtype="f32", precision="tf32")
    cases["one row f16"] = _product("NT", m=1, n=512, k=777)
    cases["one column fp32"] = _product("NN", m=333, n=1, k=128, dtype="f32")
    offset = _product("NN", pad=1)
    cases["unaligned f16"] = replace(
        offset, a=replace(offset.a, offset=1), b=replace(offset.b, offset=3)
    )
    cases["long sum 64x64x16384 f16"] = _product("NT", m=64, n=64, k=16384)
    cases["64x4096x448 f16"] = _product("NN", m=64, n=4096, k=448)
    cases["64x4096x448 tf32"] = _product(m=64, n=4096, k=448, dtype="f32", precision="tf32")
    cases["49x4608x512 tf32"] = _product(m=49, n=4608, k=512, dtype="f32", precision="tf32")
    cases["1024^3 f16"] = _product("NT", m=1024, n=1024, k=1024)
    return cases


def test_products(handles: Handles) -> None:
    _table(_products(), handles, limit=64)


def _ends() -> dict[str, LibraryCall]:
    """Products as they end in models, in the types of every precision: lowering makes each of these
    without asking the library."""
    cases: dict[str, LibraryCall] = {}
    make: Callable[..., MatrixProduct] = _product
    for type_ in ("fp32", "tf32", "f16", "bf16"):
        types = TYPES[type_]
        residual: dict[str, Any] = {"added": True, "beta": 1.0, **types}
        cases[f"gelu {type_}"] = make("NT", activation="gelu", **types)
        cases[f"batch, bias, gelu {type_}"] = make(
            "NT", batch=3, bias="bias", activation="gelu", **types
        )
        cases[f"scaled, bias {type_}"] = make("NT", alpha=0.5, bias="bias", **types)
        for activation in ("", "relu", "gelu"):
            ended = {"bias": "bias", "activation": activation, **residual}
            cases[f"residual, bias {activation} {type_}"] = make("TN", **ended)
            cases[f"residual {activation} {type_}"] = make("NN", **{**ended, "bias": ""})
            cases[f"batch, residual, bias {activation} {type_}"] = make("NT", batch=3, **ended)
        padded = make("NT", pad=8, bias="bias", **residual)
        assert padded.c is not None
        dense_rows = replace(padded.c, leading=padded.n)
        cases[f"residual in other rows, bias {type_}"] = replace(padded, c=dense_rows)
        batch = make("NN", batch=3, **residual)
        assert batch.c is not None
        shared = replace(batch.c, batch_stride=0)
        cases[f"one residual for the batch {type_}"] = replace(batch, c=shared)
        cases[f"residual by columns {type_}"] = make("NNT", **residual)
    return cases


def test_products_with_ends(handles: Handles) -> None:
    _table(_ends(), handles, limit=12)


@pytest.mark.parametrize("type_", ["fp32", "tf32", "f16", "bf16"])
def test_gelu_is_the_form_by_tanh(type_: str, handles: Handles) -> None:
    """Element by element, of numbers that no product changes, as `codegen/gpu/gelu.py` says."""
    types: dict[str, Any] = TYPES[type_]
    operands = _Operands(_product(alpha=0.0, beta=1.0, added=True, activation="gelu", **types))
    prepared = libraries.prepare_call(operands.call, operands.address, None, handles)
    result = operands.run(prepared).astype(np.float64)
    rounding = {"f32": 0.0, "f16": 2.0**-11, "bf16": 2.0**-8}[operands.call.result]
    error = np.abs(result - operands.reference) - rounding * np.abs(operands.reference)
    print(f"\nGELU {type_}: {error.max():.1e} beside rounding")
    assert error.max() <= OWN_ERROR


def _image(name: str, extents: tuple[int, ...], last: bool) -> Image:
    if not last:
        return Image(name, extents, dense(extents))
    n, c, *spatial = extents
    batch, *rest = dense((n, *spatial, c))
    return Image(name, extents, (batch, rest[-1], *rest[:-1]))


def _convolution(
    last: bool = True,
    transposed: bool = False,
    batch: int = 4,
    channels: int = 64,
    features: int = 32,
    size: tuple[int, ...] = (14, 14),
    kernel: tuple[int, ...] = (3, 3),
    stride: int = 1,
    dilation: int = 1,
    low: int = 1,
    high: int = 1,
    groups: int = 1,
    dtype: str = "f16",
    result: str = "",
    precision: str = "tf32",
    residual: bool = False,
    **changes: Any,
) -> ConvolutionCall:
    def extent(n: int, k: int) -> int:
        reach = dilation * (k - 1) + 1
        if transposed:
            return (n - 1) * stride + reach - low - high
        return (n + low + high - reach) // stride + 1

    sizes = tuple(extent(n, k) for n, k in zip(size, kernel, strict=True))
    pair = (channels, features // groups) if transposed else (features, channels // groups)
    y = _image("y", (batch, features, *sizes), last)
    rank = len(size)
    call = ConvolutionCall(
        transposed,
        _image("x", (batch, channels, *size), last),
        _image("w", (*pair, *kernel), last),
        y,
        (stride,) * rank,
        (dilation,) * rank,
        (low,) * rank,
        (high,) * rank,
        groups,
        dtype,
        result or dtype,
        precision,
        **changes,
    )
    return replace(call, z=replace(y, buffer="z")) if residual else call


CONVOLUTION_TYPES: dict[str, dict[str, str]] = {
    "fp32": {"dtype": "f32", "precision": "fp32"},
    "tf32": {"dtype": "f32", "precision": "tf32"},
    "f16": {"dtype": "f16"},
    "bf16": {"dtype": "bf16"},
}


def _convolutions() -> dict[str, LibraryCall]:
    cases: dict[str, LibraryCall] = {}
    up: dict[str, Any] = {"transposed": True, "stride": 2, "kernel": (4, 4), "size": (7, 7)}
    make: Callable[..., ConvolutionCall] = _convolution
    for type_, types in CONVOLUTION_TYPES.items():
        for layout, last in (("NHWC", True), ("NCHW", False)):
            cases[f"3x3 {layout} {type_}"] = make(last, **types)
            cases[f"transposed 4x4 s2 {layout} {type_}"] = make(last, **up, **types)
        cases[f"bias, relu {type_}{'?' if type_ == 'fp32' else ''}"] = make(
            bias="bias", activation="relu", **types
        )
        cases[f"transposed, bias, relu {type_}?"] = make(
            bias="bias", activation="relu", **up, **types
        )
    half_and_tf32 = {t: CONVOLUTION_TYPES[t] for t in ("f16", "tf32")}
    for type_, types in half_and_tf32.items():
        cases[f"stride 2 {type_}"] = make(stride=2, **types)
        cases[f"dilation 2 {type_}"] = make(dilation=2, low=2, high=2, **types)
        cases[f"groups 4 {type_}"] = make(groups=4, **types)
        cases[f"transposed, groups 2 {type_}?"] = make(groups=2, **up, **types)
        cases[f"asymmetric padding {type_}?"] = make(low=0, high=1, **types)
        cases[f"transposed, asymmetric {type_}?"] = make(low=0, high=1, **{**up, **types})
        for activation in ("", "relu"):
            cases[f"residual, bias {activation} {type_}?"] = make(
                residual=True, bias="bias", activation=activation, **types
            )
            cases[f"residual {activation} {type_}?"] = make(
                residual=True, activation=activation, **types
            )
        cases[f"1x1 {type_}"] = make(kernel=(1, 1), low=0, high=0, **types)
        cases[f"bias NCHW {type_}?"] = make(False, bias="bias", **types)
    cases["f16->f32?"] = make(result="f32")
    cases["depthwise f16?"] = make(channels=32, groups=32)
    cases["5x5 of 32 channels to 1 f16"] = make(
        batch=1, channels=32, features=1, size=(64, 64), kernel=(5, 5), low=2, high=2
    )
    cases["3 channels f16"] = make(channels=3, size=(32, 32))
    line: dict[str, Any] = {"size": (100,), "kernel": (7,), "low": 3, "high": 3}
    cases["one dimension f16"] = make(**line)
    cases["one dimension, transposed tf32?"] = make(
        **{**line, "transposed": True, "stride": 2, "dtype": "f32"}
    )
    box: dict[str, Any] = {"size": (6, 7, 8), "kernel": (3, 3, 3)}
    cases["three dimensions f16?"] = make(channels=16, **box)
    cases["fp64?"] = make(dtype="f64")
    # InfoGAN's 448 -> 256 and DCGAN's 512 -> 256.
    cases["448->256 4x4 s2 b1 f16"] = make(
        batch=1, channels=448, features=256, **{**up, "size": (2, 2)}
    )
    cases["512->256 4x4 s2 b16 tf32"] = make(
        batch=16, channels=512, features=256, dtype="f32", **{**up, "size": (4, 4)}
    )
    return cases


def test_convolutions(handles: Handles) -> None:
    _table(_convolutions(), handles, limit=10)


@pytest.mark.parametrize(
    "call",
    [
        _product("NT", m=1024, n=1024, k=1024, bias="bias", activation="relu"),
        _product("NN", m=64, n=64, k=16384, dtype="f32", precision="tf32"),
        _convolution(batch=16, channels=128, features=128, size=(28, 28)),
    ],
    ids=["product", "long sum", "convolution"],
)
def test_the_search_ranks_what_it_measured(call: LibraryCall, handles: Handles) -> None:
    operands = _Operands(call)
    started = time.perf_counter()
    found = libraries.search(call, operands.address, handles, operands)
    ranking = found.ranking.order
    print(f"\n{found.tried} algorithms in {time.perf_counter() - started:.1f} s")
    print(f"  dropped: {found.ranking.dropped}")
    for record, seconds in ranking[:6]:
        print(f"  {seconds * 1e6:8.2f} us  {record['name']}")
    prepared = libraries.prepare_call(call, operands.address, ranking[0][0], handles)
    error = relative_difference(operands.run(prepared), operands.reference)
    assert error <= _bound(call)
    assert all(seconds > 0 for _, seconds in ranking)
    json.dumps([record for record, _ in ranking])


def test_a_form_that_no_engine_has_is_refused_with_a_reason(handles: Handles) -> None:
    call = _convolution()
    odd = replace(call, x=replace(call.x, offset=1))
    operands = _Operands(odd)
    with pytest.raises(Unsupported, match="16 bytes"):
        libraries.prepare_call(odd, operands.address, None, handles)
