"""What every front end delivers: a linalg module as text, its weights, and its ports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import NAME, WEIGHT
from einnet.bridge.lift import argument_attributes, result_attributes
from einnet.errors import InputError, Location
from einnet.toolchain.mlir import locate
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

    Raises `InputError` at the function, in `file`, for an argument or result that is not a static
    tensor, for a name that is not text, and for one that is there twice.
    """
    place, symbol = locate(function.location, file), function.name.value
    inputs, weights = _arguments(function, place)
    outputs = [
        (_text(given, NAME, place) if NAME in given else f"result{index}", type_)
        for index, (type_, given) in enumerate(
            zip(function.type.results, result_attributes(function), strict=True)
        )
    ]
    _require_once("outputs", outputs, function, place)
    found = [
        tuple(_port(symbol, place, name, type_) for name, type_ in kind)
        for kind in (inputs, weights, outputs)
    ]
    return found[0], found[1], found[2]


def weight_ports(function: func.FuncOp, file: str) -> tuple[Port, ...]:
    """The weights among the arguments of a function, whose other arguments may be of any type.

    Raises `InputError` as `ports` does for weights and for names of arguments.
    """
    place = locate(function.location, file)
    _, weights = _arguments(function, place)
    return tuple(_port(function.name.value, place, name, type_) for name, type_ in weights)


_Named = list[tuple[str, ir.Type]]


def _arguments(function: func.FuncOp, place: Location) -> tuple[_Named, _Named]:
    """Names and types of the inputs and of the weights."""
    inputs: _Named = []
    weights: _Named = []
    for index, (type_, given) in enumerate(
        zip(function.type.inputs, argument_attributes(function), strict=True)
    ):
        if WEIGHT in given:
            weights.append((_text(given, WEIGHT, place), type_))
        else:
            inputs.append((_text(given, NAME, place) if NAME in given else f"arg{index}", type_))
    _require_once("inputs", inputs, function, place)
    _require_once("weights", weights, function, place)
    return inputs, weights


def _require_once(kind: str, found: _Named, function: func.FuncOp, place: Location) -> None:
    for name, uses in Counter(name for name, _ in found).items():
        if uses > 1:
            message = f"two {kind} of @{function.name.value} have the name '{name}'"
            raise InputError(message, location=place)


def _text(given: ir.DictAttr, key: str, place: Location) -> str:
    attribute = given[key]
    if not isinstance(attribute, ir.StringAttr):
        raise InputError(f"{key} = {attribute} is not a name in quotes", location=place)
    return attribute.value


def _port(symbol: str, place: Location, name: str, type_: ir.Type) -> Port:
    if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
        raise InputError(
            f"'{name}' of @{symbol} has type {type_}, not a tensor of static shape",
            location=place,
            hint="inputs and outputs are tensors; fix their sizes in the model",
        )
    return Port(name, tuple(type_.shape), str(type_.element_type))
