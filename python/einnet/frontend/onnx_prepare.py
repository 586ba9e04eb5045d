"""An ONNX model made ready for torch-mlir: weights taken out, sizes fixed, gaps refused by name.

Everything here is protobuf in, protobuf out; torch-mlir itself is run by `onnx.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import onnx
from onnx import TensorProto, helper, inliner, numpy_helper, shape_inference, version_converter

from einnet.errors import InputError, Location
from einnet.frontend.onnx_limits import NodeFacts, refusal
from einnet.weights import Weights

OPSET = 17
"""Older models are converted to this operator set: torch-mlir lacks many operators of the older
ones (BatchNormalization below 9, MaxPool below 8). Newer models are left as they are, since few
operators can be converted downwards."""

_IR_VERSION = 8
"""The version of ONNX's file format that belongs to `OPSET`."""

ENTRY = "main"

_FLOATS = frozenset(
    {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
)

_LARGE = 64
"""A float constant of so many elements is a weight wherever it is used."""

_LEARNED = frozenset(
    {
        "Conv",
        "ConvTranspose",
        "Gemm",
        "MatMul",
        "BatchNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "PRelu",
    }
)
"""A float constant that one of these reads is a weight whatever its size."""


_EXPANDED = [("", "Attention")]
"""Operators (domain, name) that torch-mlir compiles only as the function that ONNX defines them by.
Expanding more would lose some that it compiles whole."""


@dataclass(frozen=True)
class Prepared:
    """A model without weights, whose function is `main`.

    Its graph's inputs are the model's own, then one for each weight, in the order of `weights`.
    Every node has a name.
    """

    model: onnx.ModelProto
    weights: Weights
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def prepare(model: onnx.ModelProto, batch: int | None, file: str) -> Prepared:
    """Prepare a whole model (external data loaded); `file` is named in errors.

    `model` is used up, since a copy would hold its weights twice. Raises `InputError` for an
    operator, attribute, size or operator set that cannot be compiled.
    """
    if model.functions:
        model = inliner.inline_local_functions(model)
    _require_graph(model, file)
    inputs = _drop_initialized_inputs(model.graph)
    _name_nodes(model.graph)
    _require_known_operators(model, file)
    if any((node.domain, node.op_type) in _EXPANDED for node in model.graph.node):
        model = inliner.inline_selected_functions(model, _EXPANDED, inline_schema_functions=True)
    _fix_batch(model.graph, batch, file)
    weights = _take_weights(model.graph)
    model.graph.name = ENTRY
    # Below version 4 of the file format an initializer had to be an input as well.
    model.ir_version = max(model.ir_version, _IR_VERSION)
    model = _convert(model, file)
    _name_nodes(model.graph)  # those that the conversion made
    model = _infer(model, file)
    _require_static(model.graph, file)
    _refuse_limits(model.graph, file)
    return Prepared(model, weights, inputs, tuple(output.name for output in model.graph.output))


def fail(file: str, message: str, hint: str | None = None) -> NoReturn:
    """Raise an `InputError` for the file."""
    raise InputError(message, location=Location(file), hint=hint)


def describe(node: onnx.NodeProto) -> str:
    """How messages call a node."""
    domain = f"{node.domain}." if node.domain not in ("", "ai.onnx") else ""
    return f"node '{node.name}' ({domain}{node.op_type})"


def _require_graph(model: onnx.ModelProto, file: str) -> None:
    graph = model.graph
    if not graph.output:
        fail(
            file,
            "this is not an ONNX model: it holds no graph with outputs",
            "the file may be cut short, or of another format; write it again",
        )
    if graph.sparse_initializer:
        fail(file, f"sparse weights are not supported ({len(graph.sparse_initializer)} in graph)")


def _drop_initialized_inputs(graph: onnx.GraphProto) -> tuple[str, ...]:
    """Remove inputs that have an initializer (IR version 3 lists them); the names of the others."""
    initialized = {tensor.name for tensor in graph.initializer}
    kept = [value for value in graph.input if value.name not in initialized]
    _replace(graph.input, kept)
    return tuple(value.name for value in kept)


def _replace(field, items: Iterable[object]) -> None:  # pyright: ignore[reportMissingParameterType]
    """Make a repeated protobuf field hold copies of `items`, some of which may be its own."""
    copies = list(items)
    del field[:]
    field.extend(copies)


def _name_nodes(graph: onnx.GraphProto) -> None:
    """Give each node without a name one by its operator and position."""
    taken = {node.name for node in graph.node}
    for index, node in enumerate(graph.node):
        if not node.name:
            name = f"{node.op_type}_{index}"
            while name in taken:
                name += "_"
            taken.add(name)
            node.name = name


def _opset(model: onnx.ModelProto) -> int:
    versions = [item.version for item in model.opset_import if item.domain in ("", "ai.onnx")]
    return versions[0] if versions else 0


def _require_known_operators(model: onnx.ModelProto, file: str) -> None:
    """Refuse an operator or attribute that ONNX does not define: torch-mlir ignores attributes."""
    version = _opset(model)
    if not version:
        fail(file, "the model imports no ONNX operator set")
    if version > onnx.defs.onnx_opset_version():
        fail(
            file,
            f"the model uses operator set {version}; this onnx package knows up to "
            f"{onnx.defs.onnx_opset_version()}",
            "pip install --upgrade onnx, or export the model with an older operator set",
        )
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            fail(
                file,
                f"{describe(node)} is not one of ONNX's own operators",
                f"replace it by operators of the standard, operator set {OPSET}",
            )
        try:
            schema = onnx.defs.get_schema(node.op_type, version, "")
        except onnx.defs.SchemaError:
            fail(file, f"{describe(node)} does not exist in operator set {version}")
        if schema.deprecated:
            fail(file, f"{describe(node)} does not exist any more in operator set {version}")
        for attribute in node.attribute:
            if attribute.name not in schema.attributes:
                fail(
                    file,
                    f"{describe(node)} has the attribute '{attribute.name}', which operator set "
                    f"{version} does not define",
                    f"its attributes are: {', '.join(sorted(schema.attributes)) or 'none'}",
                )


def _fix_batch(graph: onnx.GraphProto, batch: int | None, file: str) -> None:
    """Put `batch` for the symbolic first dimension of the inputs, and for its name everywhere."""
    if batch is not None and not 1 <= batch < 2**31:
        fail(file, f"the batch size {batch} is not from 1 to {2**31 - 1}")
    names: set[str] = set()
    for value in graph.input:
        dimensions = value.type.tensor_type.shape.dim
        if batch is None or not dimensions or not value.type.HasField("tensor_type"):
            continue
        first = dimensions[0]
        if first.HasField("dim_value") and first.dim_value > 0:
            if first.dim_value != batch:
                fail(
                    file,
                    f"the batch of input '{value.name}' is fixed at {first.dim_value}, not {batch}",
                    "export the model with a symbolic batch, or leave the batch out",
                )
            continue
        if first.dim_param:
            names.add(first.dim_param)
        first.dim_value = batch
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in names and batch is not None:
                dimension.dim_value = batch
    for value in graph.input:
        if not value.type.HasField("tensor_type"):
            fail(file, f"input '{value.name}' is not a tensor")
        if not value.type.tensor_type.HasField("shape"):
            fail(file, f"input '{value.name}' has no shape")
        shape = [_extent(item) for item in value.type.tensor_type.shape.dim]
        if all(isinstance(extent, int) for extent in shape):
            continue
        written = "x".join(str(extent) for extent in shape)
        hint = (
            "pass the batch size (--batch N)"
            if batch is None and all(isinstance(extent, int) for extent in shape[1:])
            else "fix these sizes in the model (onnx.tools.update_model_dims)"
        )
        if any(re.fullmatch("0|-[0-9]+", str(extent)) for extent in shape):
            fail(file, f"input '{value.name}' has a size that is not positive: {written}", hint)
        fail(file, f"input '{value.name}' has the dynamic shape {written}", hint)


def _extent(dimension: onnx.TensorShapeProto.Dimension) -> int | str:
    """A dimension's size, or what stands for it: some exporters write unknown ones as 0 or -1."""
    if dimension.HasField("dim_value"):
        return dimension.dim_value if dimension.dim_value > 0 else str(dimension.dim_value)
    return dimension.dim_param or "?"


def _take_weights(graph: onnx.GraphProto) -> Weights:
    """Turn learned float constants into graph inputs, in the order of their first use.

    Shape-like parameters (integers, scales of a Resize, bounds of a Clip) stay constants, because
    torch-mlir folds them into the operators that read them.
    """
    constants = _constants(graph)
    taken: dict[str, onnx.TensorProto] = {}
    for node in graph.node:
        for name in node.input:
            tensor = constants.get(name)
            if tensor is not None and name not in taken and _is_weight(tensor, node):
                taken[name] = tensor
    weights = Weights({name: numpy_helper.to_array(tensor) for name, tensor in taken.items()})
    graph.input.extend(
        helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
        for name, tensor in taken.items()
    )
    _replace(graph.initializer, [item for item in graph.initializer if item.name not in taken])
    _replace(graph.node, [node for node in graph.node if node.output[0] not in taken])
    return weights


def _constants(graph: onnx.GraphProto) -> Mapping[str, onnx.TensorProto]:
    """Initializers and the results of Constant nodes."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "Constant":
            continue
        for attribute in node.attribute:
            match attribute:
                case onnx.AttributeProto(name="value", t=tensor):
                    constants[node.output[0]] = tensor
                case onnx.AttributeProto(name="value_ints", ints=values):
                    constants[node.output[0]] = numpy_helper.from_array(np.array(values, np.int64))
                case onnx.AttributeProto(name="value_floats", floats=values):
                    constants[node.output[0]] = numpy_helper.from_array(
                        np.array(values, np.float32)
                    )
                case _:  # a scalar or a string: neither a weight nor a parameter that is checked
                    pass
    return constants


def _is_weight(tensor: onnx.TensorProto, reader: onnx.NodeProto) -> bool:
    if tensor.data_type not in _FLOATS or not tensor.dims:
        return False
    elements = 1
    for extent in tensor.dims:
        elements *= extent
    return elements >= _LARGE or reader.op_type in _LEARNED


def _convert(model: onnx.ModelProto, file: str) -> onnx.ModelProto:
    if _opset(model) >= OPSET:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except (RuntimeError, version_converter.ConvertError) as error:
        raise InputError(
            f"the model cannot be converted from operator set {_opset(model)} to {OPSET}: {error}",
            location=Location(file),
            hint=f"export the model with operator set {OPSET}",
        ) from error


def _infer(model: onnx.ModelProto, file: str) -> onnx.ModelProto:
    """Check the model and infer every shape anew, since those recorded may hold the old batch."""
    del model.graph.value_info[:]
    try:
        onnx.checker.check_model(model)
        return shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, shape_inference.InferenceError, ValueError) as error:
        raise InputError(
            f"the model is not valid ONNX: {str(error).strip()}", location=Location(file)
        ) from error


def _shapes(graph: onnx.GraphProto) -> Mapping[str, tuple[int, ...]]:
    """The values whose shape is static."""
    shapes: dict[str, tuple[int, ...]] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        extents = [item.dim_value for item in tensor.shape.dim if item.HasField("dim_value")]
        if tensor.HasField("shape") and len(extents) == len(tensor.shape.dim):
            shapes[value.name] = tuple(extents)
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    return shapes


def _require_static(graph: onnx.GraphProto, file: str) -> None:
    """If an output's shape depends on data, name the first node where this begins."""
    shapes = _shapes(graph)
    dynamic = [value.name for value in graph.output if value.name not in shapes]
    if not dynamic:
        return
    for node in graph.node:
        known = all(name in shapes for name in node.input if name)
        if known and any(name and name not in shapes for name in node.output):
            fail(file, f"{describe(node)} has a result whose shape is not known before the run")
    fail(file, f"the shape of output '{dynamic[0]}' is not known before the run")


def _refuse_limits(graph: onnx.GraphProto, file: str) -> None:
    shapes = _shapes(graph)
    constants = _constants(graph)
    for node in graph.node:
        if reason := refusal(NodeFacts(node, shapes, constants)):
            fail(file, f"{describe(node)}: {reason}")
