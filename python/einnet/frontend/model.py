"""What every front end delivers: a linalg module as text, its weights, and its ports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import NAME, WEIGHT
from einnet.errors import InputError, Location
from einnet.weights import Weights


@dataclass(frozen=True)
class Port:
    """An input or output of a model; `dtype` is MLIR's element type, such as `f32`."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class ImportedModel:
    """A model as MLIR 22 text: linalg on tensors in the function `@<entry>`.

    The arguments of the entry are `inputs` in order, with the weights (marked `einnet.weight`)
    anywhere between; its results are `outputs` in order. All shapes are static.
    """

    mlir: str
    weights: Weights
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    source: Path
    entry: str = "main"


def ports(
    function: func.FuncOp, file: str
) -> tuple[tuple[Port, ...], tuple[Port, ...], tuple[Port, ...]]:
    """Inputs, weights and outputs of a function; what has no name is `arg<i>` or `result<i>`.

    Raises `InputError` in `file` for an argument or result that is not a static tensor, for a name
    that is not text, and for one that is there twice.
    """
    inputs: list[Port] = []
    weights: list[Port] = []
    for index, (type_, attributes) in enumerate(
        zip(function.type.inputs, argument_attributes(function), strict=True)
    ):
        if WEIGHT in attributes:
            weights.append(_port(function, file, _text(attributes, WEIGHT, file), type_))
        else:
            name = _text(attributes, NAME, file) if NAME in attributes else f"arg{index}"
            inputs.append(_port(function, file, name, type_))
    outputs = [
        _port(
            function,
            file,
            _text(attributes, NAME, file) if NAME in attributes else f"result{index}",
            type_,
        )
        for index, (type_, attributes) in enumerate(
            zip(function.type.results, result_attributes(function), strict=True)
        )
    ]
    for kind, found in (("inputs", inputs), ("weights", weights), ("outputs", outputs)):
        twice = [name for name, uses in Counter(port.name for port in found).items() if uses > 1]
        if twice:
            raise InputError(
                f"two {kind} of @{function.name.value} have the name '{twice[0]}'",
                location=Location(file),
            )
    return tuple(inputs), tuple(weights), tuple(outputs)


def argument_attributes(function: func.FuncOp) -> list[ir.DictAttr]:
    """The attributes of each argument."""
    return _attributes(function, "arg_attrs", len(function.type.inputs))


def result_attributes(function: func.FuncOp) -> list[ir.DictAttr]:
    """The attributes of each result."""
    return _attributes(function, "res_attrs", len(function.type.results))


def _attributes(function: func.FuncOp, key: str, count: int) -> list[ir.DictAttr]:
    if key not in function.attributes:
        return [ir.DictAttr.get({}, context=function.context)] * count
    return [ir.DictAttr(item) for item in ir.ArrayAttr(function.attributes[key])]


def _text(attributes: ir.DictAttr, key: str, file: str) -> str:
    attribute = attributes[key]
    if not isinstance(attribute, ir.StringAttr):
        raise InputError(f"{key} = {attribute} is not a name in quotes", location=Location(file))
    return attribute.value


def _port(function: func.FuncOp, file: str, name: str, type_: ir.Type) -> Port:
    if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
        raise InputError(
            f"'{name}' of @{function.name.value} has type {type_}, not a tensor of static shape",
            location=Location(file),
            hint="inputs and outputs are tensors; fix their sizes in the model",
        )
    return Port(name, tuple(type_.shape), str(type_.element_type))
