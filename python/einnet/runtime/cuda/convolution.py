"""Convolutions through cuDNN's graph API: one graph of operations, many execution plans.

`y = activation(conv(x, w) + z + bias)` is built in the order that cuDNN's compiled fused engines
match: convolution (or, transposed, the gradient of its input), residual, bias, activation, with
f32 between them. An algorithm is a plan by its name, which spells out an engine and its knobs.

Precision. cuDNN has no f32 tensor-core type of its own: to a graph of f32 tensors it offers engines
that multiply in tf32 next to those that do not, and tells them apart by numerical notes. "fp32"
therefore excludes TENSOR_CORE, and both precisions exclude DOWN_CONVERT_INPUTS (f32 inputs turned
into f16). REDUCED_PRECISION_REDUCTION is excluded for all types, since sums are f32.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from time import perf_counter, process_time
from types import ModuleType
from typing import Any

from einnet.codegen.gpu.host import BYTES, ConvolutionCall, Image
from einnet.errors import ToolchainError
from einnet.runtime.cuda.algorithm import Candidate, Record, Unsupported, integer, one_line
from einnet.runtime.cuda.call import Addresses, Handles

WORKSPACE_LIMIT = 512 << 20
"""Bytes of scratch memory that a plan may use: FFT and Winograd engines want much."""

COMPILING = 20.0
"""Seconds of building plans for one call after which a search compiles no more engines: of the
processor, so that what else the host does has no part in which are tried; of the clock, three times
as many, so that nobody takes it for hung."""

_LIBRARY = "cudnn"
_TYPES = {"f64": "DOUBLE", "f32": "FLOAT", "f16": "HALF", "bf16": "BFLOAT16"}
_ALIGNMENT = 16
"""Bytes that the frontend promises cuDNN every tensor to be aligned to."""

_BACKEND_PLAN = re.compile(r"eng\d+")
"""What cuDNN calls its own plans; the frontend's engines in Python have other names."""


@dataclass(frozen=True)
class GraphTensor:
    """A tensor of the graph: batch, channels, then two or three spatial dimensions."""

    buffer: str
    offset: int
    dtype: str
    dim: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class ConvolutionGraph:
    """The call in cuDNN's terms: `w` and the paddings are the forward convolution's."""

    transposed: bool
    x: GraphTensor
    w: GraphTensor
    z: GraphTensor | None
    bias: GraphTensor | None
    y: GraphTensor
    pre_padding: tuple[int, ...]
    post_padding: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    compute: str
    excluded: tuple[str, ...]
    """Numerical notes of the engines that must not run."""

    @property
    def inputs(self) -> tuple[GraphTensor, ...]:
        return tuple(t for t in (self.x, self.w, self.z, self.bias) if t is not None)


def convolution_graph(call: ConvolutionCall) -> ConvolutionGraph:
    """The call in cuDNN's terms. `Unsupported`: it has none."""
    spatial = len(call.stride)
    if not 1 <= spatial <= 3:
        raise Unsupported(f"cuDNN does not convolve over {spatial} dimensions")
    images = [i for i in (call.x, call.w, call.y, call.z) if i is not None]
    if not all(all(i.extents) for i in images):
        raise Unsupported("cuDNN convolves no empty images")
    types = {call.dtype, call.result}
    if not types <= set(_TYPES) or ("f64" in types and len(types) > 1):
        raise Unsupported(f"cuDNN does not convolve {call.dtype} to {call.result}")
    _check_channels(call)
    image, result = (call.y, call.x) if call.transposed else (call.x, call.y)
    post = [
        post_padding(*sizes)
        for sizes in zip(
            *(image.extents[2:], result.extents[2:], call.w.extents[2:]),
            *(call.stride, call.dilation, call.low, call.high),
            strict=True,
        )
    ]
    if min(call.low) < 0:
        raise Unsupported("cuDNN's padding is never negative")
    # The library has no convolutions over one dimension: one of extent 1 goes before it.
    extra = 1 if spatial == 1 else 0
    widened = [_widened(i, extra) for i in images]
    dtypes = (call.dtype, call.dtype, call.result, call.result)
    tensors = [
        GraphTensor(image.buffer, image.offset, dtype, image.extents, strides)
        for image, dtype, strides in zip(widened, dtypes, layouts(widened), strict=False)
    ]
    bias = None
    if call.bias:
        features = call.y.extents[1]
        ones = (1,) * (spatial + extra)
        dim, stride = (1, features, *ones), (features, 1, *(features for _ in ones))
        bias = GraphTensor(call.bias, 0, call.result, dim, stride)
    excluded = ["REDUCED_PRECISION_REDUCTION"]
    if call.dtype == "f32":
        excluded.append("DOWN_CONVERT_INPUTS")
        if call.precision != "tf32":
            excluded.append("TENSOR_CORE")
    return ConvolutionGraph(
        call.transposed,
        tensors[0],
        tensors[1],
        tensors[3] if call.z is not None else None,
        bias,
        tensors[2],
        (0,) * extra + call.low,
        (0,) * extra + tuple(post),
        (1,) * extra + call.stride,
        (1,) * extra + call.dilation,
        "DOUBLE" if call.dtype == "f64" else "FLOAT",
        tuple(excluded),
    )


def post_padding(
    image: int, result: int, kernel: int, stride: int, dilation: int, low: int, high: int
) -> int:
    """The padding behind an image that gives a forward convolution `result` positions, as cuDNN
    counts them: `floor((image + low + post - dilation*(kernel-1) - 1) / stride) + 1`.

    With a stride several will do, for reads behind the image give 0 anyway: `high` if it does, else
    `low` (engines like it symmetric), else the least that is not negative. `Unsupported`: none is.
    """
    least = (result - 1) * stride + dilation * (kernel - 1) + 1 - image - low
    fitting = range(max(least, 0), least + stride)
    if not fitting:
        raise Unsupported("cuDNN computes all positions of a convolution, and the call only some")
    return next((p for p in (high, low) if p in fitting), fitting[0])


def layouts(images: Sequence[Image]) -> list[tuple[int, ...]]:
    """The strides of the images, those of dimensions of extent 1 chosen as cuDNN expects them.

    They decide nothing, but cuDNN reads from them whether an image is channels-last. An image that
    is dense both ways (one channel, or one pixel) is described like the others; channels-last if
    they leave it open. All other strides are kept.
    """
    fits = [[o for o in (_channels_last, _channels_first) if _agrees(i, o(i))] for i in images]
    settled = [order[0] for order in fits if len(order) == 1]
    common = settled[0] if settled else _channels_last
    return [
        (common if common in order else order[0])(image) if order else image.strides
        for image, order in zip(images, fits, strict=True)
    ]


class PreparedConvolution:
    """A convolution with its plan; `algorithm` is the record that finds it again."""

    def __init__(self, graph: _Graph, index: int, workspace: int) -> None:
        self._graph = graph
        self._index = index
        self.workspace = workspace
        self.algorithm: Record = graph.record(index, workspace)

    def launch(self, stream: int, workspace: int) -> None:
        self._graph.launch(self._index, stream, workspace)


def prepare_convolution(
    call: ConvolutionCall, addresses: Addresses, algorithm: Record | None, handles: Handles
) -> PreparedConvolution:
    """The convolution ready to run: with the engine and knobs recorded, or, if there are none or
    this version of cuDNN has no such plan, with the heuristic's first that builds.

    `Unsupported`: no engine runs this form, fused as it is. `ToolchainError`: cuDNN is missing.
    """
    graph = _Graph(call, addresses, handles)
    found = graph.replay(algorithm) if algorithm is not None else None
    for index, workspace in [found] if found is not None else graph.plans():
        return PreparedConvolution(graph, index, workspace)
    raise Unsupported(f"cuDNN has no engine for this convolution: {graph.refusal}")


def search_limit(call: ConvolutionCall) -> int:
    """Plans of one call that are worth trying: few of a fused one, which may have to be compiled.
    Of others the best can stand far down the list (the 40th, of a 3x3 convolution of 12 channels)
    and costs a few milliseconds to try."""
    return 8 if call.bias or call.activation or call.z is not None else 64


def candidates(
    call: ConvolutionCall,
    addresses: Addresses,
    handles: Handles,
    limit: int = 24,
    compiling: float = COMPILING,
) -> tuple[Candidate, ...]:
    """Up to `limit` plans that build within the workspace limit, in the order of the heuristics A,
    B and FALLBACK. Some engines are compiled here, which takes up to two seconds each: none any
    more after `compiling` seconds of the processor. Raises as `prepare_convolution`."""
    graph = _Graph(call, addresses, handles)
    found: list[Candidate] = []
    for index, workspace in graph.plans(compiling):
        prepared = PreparedConvolution(graph, index, workspace)
        found.append(Candidate(prepared.algorithm, prepared))
        if len(found) >= limit:
            break
    if not found:
        raise Unsupported(f"cuDNN has no engine for this convolution: {graph.refusal}")
    return tuple(found)


def load_cudnn() -> ModuleType:
    """cuDNN's frontend, with the library loaded. `ToolchainError`: one of them is missing."""
    install = "pip install nvidia-cudnn-frontend nvidia-cudnn-cu13"
    _preload()
    try:
        frontend = import_module("cudnn")
        frontend.backend_version()
    except ImportError as error:
        raise ToolchainError(
            f"cuDNN's frontend cannot be imported: {one_line(error)}", hint=install
        ) from error
    except RuntimeError as error:
        raise ToolchainError(f"cuDNN cannot be loaded: {one_line(error)}", hint=install) from error
    return frontend


def _preload() -> None:
    """Load libcudnn wherever it is. The frontend looks in the interpreter's own folder and on the
    system's path only, but takes a library that is loaded already; if none is found here, it says
    so itself."""
    try:
        import_module("cuda.pathfinder").load_nvidia_dynamic_lib("cudnn")
    except (ImportError, RuntimeError, ValueError):
        return


class _Graph:
    """The graph of one call, its plans, and what cuDNN answers about them."""

    def __init__(self, call: ConvolutionCall, addresses: Addresses, handles: Handles) -> None:
        self._cudnn = cudnn = load_cudnn()
        self._plan = plan = convolution_graph(call)
        self._version = int(cudnn.backend_version())
        try:
            self._handle = handles.get(_LIBRARY, cudnn.create_handle, cudnn.destroy_handle)
        except RuntimeError as error:
            raise ToolchainError(f"cuDNN does not start: {one_line(error)}") from error
        self._pack: dict[int, int] = {}
        for uid, tensor in enumerate((*plan.inputs, plan.y), 1):
            address = addresses(tensor.buffer) + tensor.offset * BYTES[tensor.dtype]
            if address % _ALIGNMENT:
                raise Unsupported(f"{tensor.buffer} does not start at a multiple of 16 bytes")
            self._pack[uid] = address
        self._failures = (cudnn.cudnnGraphNotSupportedError, RuntimeError, ValueError)
        self._graph = self._build(call.activation)
        self.refusal = "its heuristics propose none"

    def launch(self, index: int, stream: int, workspace: int) -> None:
        self._cudnn.set_stream(self._handle, stream)
        try:
            self._graph.execute_plan_at_index(
                self._pack, workspace, index=index, handle=self._handle
            )
        except self._failures as error:
            raise Unsupported(f"cuDNN does not run this convolution: {one_line(error)}") from error

    def plans(self, compiling: float = float("inf")) -> Iterator[tuple[int, int]]:
        """Indices of the plans that build, with their workspace; why the others do not is in
        `refusal`, of the last of them. After `compiling` seconds of building, only those that need
        no compilation are built."""
        building = 0.0
        for index in self._proposed:
            if building > compiling and self._is_compiled(index):
                self.refusal = f"no engine was compiled within {compiling:.0f} s"
                continue
            worked, started = process_time(), perf_counter()
            workspace = self._built(index)
            building += max(process_time() - worked, (perf_counter() - started) / 3)
            if workspace is not None:
                yield index, workspace

    def replay(self, record: Record) -> tuple[int, int] | None:
        """Index and workspace of the recorded plan, or None if this cuDNN does not propose it.

        A plan is found by its name, which spells out its engine and every knob: the frontend's own
        names of knobs are fewer than cuDNN's, so that knobs alone do not make it again.
        """
        if record.get("library") != _LIBRARY or integer(record, "version") != self._version:
            return None
        for index in self._proposed:
            if self._graph.get_plan_name_at_index(index) == record.get("name"):
                workspace = self._built(index)
                return None if workspace is None else (index, workspace)
        return None

    @cached_property
    def _proposed(self) -> tuple[int, ...]:
        """Indices of the plans that the heuristics propose, best first."""
        modes = self._cudnn.heur_mode
        try:
            self._graph.create_execution_plans([modes.A, modes.B, modes.FALLBACK])
            self._exclude()
        except self._failures as error:
            self.refusal = one_line(error)
            return ()
        indices = range(self._graph.get_execution_plan_count())
        name_at = self._graph.get_plan_name_at_index
        return tuple(i for i in indices if _BACKEND_PLAN.match(name_at(i)))

    def record(self, index: int, workspace: int) -> Record:
        """The plan as JSON."""
        engine, knobs = self._graph.get_engine_and_knobs_at_index(index)
        return {
            "library": _LIBRARY,
            "version": self._version,
            "name": str(self._graph.get_plan_name_at_index(index)),
            "workspace": workspace,
            "engine": int(engine),
            "knobs": {str(k.name): int(v) for k, v in knobs.items()},
            "notes": self._notes(index) or [],
        }

    def _is_compiled(self, index: int) -> bool:
        """Whether a plan is compiled when it is built, as far as cuDNN tells."""
        notes = self._notes(index)
        return notes is None or "RUNTIME_COMPILATION" in notes

    def _notes(self, index: int) -> list[str] | None:
        """How a plan behaves, in cuDNN's words; None if this version of it cannot tell."""
        try:
            return [n.name for n in self._graph.get_behavior_notes_for_plan_at_index(index)]
        except self._failures:
            return None

    def _built(self, index: int) -> int | None:
        try:
            self._graph.build_plan_at_index(index)
            workspace = int(self._graph.get_workspace_size_plan_at_index(index))
        except self._failures as error:
            self.refusal = f"{self._graph.get_plan_name_at_index(index)}: {one_line(error)}"
            return None
        if workspace > WORKSPACE_LIMIT:
            self.refusal = f"a plan needs {workspace >> 20} MiB of workspace"
            return None
        return workspace

    def _exclude(self) -> None:
        notes = self._cudnn.numerical_note
        self._graph.deselect_numeric_notes([getattr(notes, n) for n in self._plan.excluded])

    def _build(self, activation: str) -> Any:
        cudnn, plan = self._cudnn, self._plan
        types = cudnn.data_type
        compute = getattr(types, plan.compute)
        graph = cudnn.pygraph(
            io_data_type=getattr(types, _TYPES[plan.y.dtype]),
            intermediate_data_type=compute,
            compute_data_type=compute,
            handle=self._handle,
        )
        operands = [
            graph.tensor(
                dim=list(tensor.dim),
                stride=list(tensor.stride),
                data_type=getattr(types, _TYPES[tensor.dtype]),
                uid=uid,
                name=f"operand{uid}",
            )
            for uid, tensor in enumerate(plan.inputs, 1)
        ]
        x, w, *added = operands  # the residual, then the bias, where there are such
        operation = graph.conv_dgrad if plan.transposed else graph.conv_fprop
        value = operation(
            *(x, w),
            pre_padding=list(plan.pre_padding),
            post_padding=list(plan.post_padding),
            stride=list(plan.stride),
            dilation=list(plan.dilation),
        )
        # Extents of an input's gradient are not determined by the operands.
        value.set_dim(list(plan.y.dim)).set_stride(list(plan.y.stride))
        for operand in added:
            value = graph.add(value, operand)
        if activation == "relu":
            value = graph.relu(value)
        value.set_output(True).set_data_type(getattr(types, _TYPES[plan.y.dtype]))
        value.set_dim(list(plan.y.dim)).set_stride(list(plan.y.stride))
        value.set_uid(len(plan.inputs) + 1)
        try:
            graph.validate()
            graph.build_operation_graph()
        except self._failures as error:
            raise Unsupported(f"cuDNN does not express this: {one_line(error)}") from error
        return graph


def _check_channels(call: ConvolutionCall) -> None:
    given, produced = call.x.extents[1], call.y.extents[1]
    outer, inner = (given, produced) if call.transposed else (produced, given)
    if call.w.extents[:2] != (outer, inner // call.groups) or inner % call.groups:
        raise Unsupported("the filter's extents do not fit the channels and groups")
    if call.x.extents[0] != call.y.extents[0]:
        raise Unsupported("input and result differ in their batch")


def _widened(image: Image, extra: int) -> Image:
    """The image with `extra` spatial dimensions of extent 1 before the others."""
    if not extra:
        return image
    n, c, *spatial = image.extents
    batch, channel, *strides = image.strides
    extents, steps = (n, c, 1, *spatial), (batch, channel, spatial[0] * strides[0], *strides)
    return Image(image.buffer, extents, steps, image.offset)


def _channels_last(image: Image) -> tuple[int, ...]:
    n, c, *spatial = image.extents
    batch, *rest = _dense([n, *spatial, c])
    return (batch, rest[-1], *rest[:-1])


def _channels_first(image: Image) -> tuple[int, ...]:
    return _dense(image.extents)


def _dense(extents: Sequence[int]) -> tuple[int, ...]:
    strides = [1]
    for extent in reversed(extents[1:]):
        strides.append(strides[-1] * extent)
    return tuple(reversed(strides))


def _agrees(image: Image, strides: tuple[int, ...]) -> bool:
    """Whether these strides address the image's elements as its own do."""
    return all(
        a == b or extent == 1
        for extent, a, b in zip(image.extents, image.strides, strides, strict=True)
    )
