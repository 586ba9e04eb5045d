"""MLIR text in linalg on tensors, with its weights in a safetensors file beside it."""

from __future__ import annotations

import os
from pathlib import Path

from mlir import ir
from mlir.dialects import func

from einnet.errors import InputError, Location
from einnet.frontend.model import ImportedModel, Port, ports
from einnet.toolchain.mlir import make_context, parse_module
from einnet.weights import Weights

STDIN = "-"

_NUMPY_NAMES = {
    "f32": "float32",
    "f64": "float64",
    "f16": "float16",
    "bf16": "bfloat16",
    "i1": "bool",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
}


def import_mlir(path: str | Path, text: str, *, entry: str | None = None) -> ImportedModel:
    """Import MLIR text; `path` is where it came from, `-` for standard input.

    Functions keep their names. `entry` is the function to compile; without it, `@main`, or else
    the only public function. The weights are those of `weights_beside`.
    Raises `InputError` for text that does not parse and for weights that do not fit.
    """
    file = "<stdin>" if str(path) == STDIN else str(path)
    context = make_context()
    with context:
        module = parse_module(text, context, file)
        function = _entry(module, entry, file)
        inputs, weight_ports, outputs = ports(function, file)
        weights = weights_beside(path, weight_ports)
        name = function.name.value
        return ImportedModel(str(module), weights, inputs, outputs, Path(path), name)


def _entry(module: ir.Module, wanted: str | None, file: str) -> func.FuncOp:
    """The function to compile."""
    defined = {
        operation.name.value: operation
        for operation in module.body
        if isinstance(operation, func.FuncOp) and not operation.is_external
    }
    public = [name for name, item in defined.items() if "sym_visibility" not in item.attributes]
    if wanted is None:
        wanted = "main" if "main" in defined else public[0] if len(public) == 1 else None
    if wanted in defined:
        return defined[wanted]
    names = ", ".join(f"@{name}" for name in defined) or "none"
    raise InputError(
        f"there is no function @{wanted}" if wanted else "which function is the model is not clear",
        location=Location(file),
        hint=f"functions with a body: {names}; name one of them: --entry NAME"
        if defined
        else "the model is a function at the top of the module: func.func @main",
    )


def weights_beside(path: str | Path, wanted: tuple[Port, ...]) -> Weights:
    """The weights that `wanted` names, in its order, from the .safetensors file beside `path`.

    Empty if there is no such file. Raises `InputError` if it lacks one, or has one of another shape
    or type.
    """
    sibling = Path(path).with_suffix(".safetensors")
    if str(path) == STDIN or not os.path.isfile(sibling):
        return Weights()
    weights = Weights.load(sibling)
    for port in wanted:
        if port.name not in weights:
            raise InputError(
                f"the weight '{port.name}' is missing",
                location=Location(str(sibling)),
                hint=f"it holds: {', '.join(weights) or 'nothing'}",
            )
        array = weights[port.name]
        if array.shape != port.shape or array.dtype.name != _NUMPY_NAMES.get(port.dtype):
            raise InputError(
                f"the weight '{port.name}' is {array.dtype.name}{list(array.shape)}, the function "
                f"takes {port.dtype}{list(port.shape)}",
                location=Location(str(sibling)),
            )
    return Weights({port.name: weights[port.name] for port in wanted})
