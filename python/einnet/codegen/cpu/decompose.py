"""On tensors: linalg's operations that neither bufferize nor become loops, as ones that do.

Packing, unpacking, softmax and Winograd's transforms have no pass in MLIR 22 that lowers them, only
transforms; `linalg.softmax` even bufferizes, and then stays.
"""

from __future__ import annotations

from mlir import ir
from mlir.dialects.transform import interpreter

from einnet.codegen.cpu.walk import walk
from einnet.errors import InputError
from einnet.toolchain.mlir import MLIRError, locate, parse_module

_PACK = """
  %a, %b, %c = transform.structured.lower_pack %op : (!transform.op<"linalg.pack">)
      -> (!transform.op<"tensor.pad">, !transform.op<"tensor.expand_shape">,
          !transform.op<"linalg.transpose">)"""
_UNPACK = """
  %a, %b, %c, %d = transform.structured.lower_unpack %op : (!transform.op<"linalg.unpack">)
      -> (!transform.op<"tensor.empty">, !transform.op<"linalg.transpose">,
          !transform.op<"tensor.collapse_shape">, !transform.op<"tensor.extract_slice">)"""
_SOFTMAX = """
  %a = transform.structured.decompose_interface %op : (!transform.op<"linalg.softmax">)
      -> !transform.any_op"""
_WINOGRAD = """
  %a = transform.structured.decompose_winograd_op %op : (!transform.op<"{name}">)
      -> !transform.any_op"""

_TRANSFORMS = {
    "linalg.pack": _PACK,
    "linalg.unpack": _UNPACK,
    "linalg.softmax": _SOFTMAX,
    "linalg.winograd_filter_transform": _WINOGRAD,
    "linalg.winograd_input_transform": _WINOGRAD,
    "linalg.winograd_output_transform": _WINOGRAD,
}

_SCRIPT = """
module attributes {{transform.with_named_sequence}} {{
transform.named_sequence @decompose(%root: !transform.any_op {{transform.readonly}}) {{
  %found = transform.structured.match ops{{["{name}"]}} in %root
      : (!transform.any_op) -> !transform.op<"{name}">
  transform.foreach %found : !transform.op<"{name}"> {{
  ^bb0(%op: !transform.op<"{name}">):{transform}
  }}
  transform.yield
}}
}}
"""


def decompose(module: ir.Module, filename: str = "<stdin>") -> None:
    """Replace them all, in place. `InputError`, at the first of its kind, where MLIR refuses to."""
    first: dict[str, ir.Operation] = {}
    for op in walk(module.operation):
        if op.name in _TRANSFORMS:
            first.setdefault(op.name, op)
    for name, op in first.items():
        place = locate(op.location, filename)
        text = _SCRIPT.format(name=name, transform=_TRANSFORMS[name].format(name=name))
        script = parse_module(text, module.context)
        sequence = script.body.operations[0].operation
        try:
            interpreter.apply_named_sequence(module.operation, sequence, script.operation)
        except (MLIRError, ValueError) as error:
            raise InputError(
                f"MLIR cannot decompose {name}: {_reason(error)}",
                location=place,
                hint="lower it to other operations before",
            ) from error


def _reason(error: Exception) -> str:
    """The last line, which is the diagnostic's, without its place."""
    last = str(error).strip().splitlines()[-1]
    return last.partition("): ")[2] or last
