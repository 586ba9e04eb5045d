"""`einnet-lower-to-cpu`: a function on tensors as code for this CPU, in the LLVM dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from mlir import ir
from mlir.dialects import func

from einnet.bridge.attributes import LIBRARY, PREPARE
from einnet.errors import InputError, Location
from einnet.passes.labelled import operations_in
from einnet.passes.module_pass import Example, ModulePass, Target

_EXAMPLE = Example(
    """
func.func @scaled(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  %p = linalg.mul ins(%a, %b : tensor<4xf32>, tensor<4xf32>)
      outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %p : tensor<4xf32>
}
""",
    same=False,
)


@dataclass(frozen=True)
class LowerToCpu(ModulePass):
    """What `einnet compile` does behind the optimizer for the target cpu: operations on tensors
    become buffers, loops that LLVM vectorizes, and calls of OpenBLAS where they are tagged
    `einnet.library = "blas"`, all in the LLVM dialect, for `mlir-translate --mlir-to-llvmir`.

    The function is `void einnet_main(void **pointers)`: pointers to the dense arguments, then to
    the results, then to workspace that it may overwrite. A function `@prepare` beside it becomes
    `einnet_prepare`. Private functions that it calls are inlined; others are dropped.

    With `blas=false` tags are ignored, and there are no calls but of the C library's mathematics.
    The pass refuses dynamic shapes, element types that the target has not, and tags of products
    that BLAS cannot read in place.
    """

    NAME: ClassVar[str] = "einnet-lower-to-cpu"
    SUMMARY: ClassVar[str] = "Lower a function on tensors to loops and BLAS calls in LLVM's dialect"
    EXAMPLE: ClassVar[Example] = _EXAMPLE
    MODULE_ONLY: ClassVar[bool] = True

    entry: str = field(
        default="", metadata={"help": "the function; without it, @main or the only one"}
    )
    blas: bool = field(default=True, metadata={"help": "whether tagged products become calls"})

    def run(self, target: Target) -> ir.Module:
        # Here and not above: einnet-opt's help lists passes without code generation.
        from einnet.codegen.cpu.lower import lower_module

        module = target.module
        name = self.entry or _only_function(target)
        if not self.blas:
            for operation in operations_in(module.operation):
                if LIBRARY in operation.attributes:
                    del operation.attributes[LIBRARY]
        context = module.context
        known = context.allow_unregistered_dialects
        # Products are shielded from MLIR's rewrites by an operation that no dialect has.
        context.allow_unregistered_dialects = True
        try:
            lower_module(module, name, target.filename)
        except InputError as error:
            error.location = error.location or Location(target.filename)
            raise
        finally:
            context.allow_unregistered_dialects = known
        return module


def _only_function(target: Target) -> str:
    """`main`, or the only function with a body. Raises InputError for several."""
    found = [op for op in target.module.body.operations if isinstance(op, func.FuncOp)]
    names = [f.name.value for f in found if not f.is_external and f.name.value != PREPARE]
    if "main" in names or not names:
        return "main"
    if len(names) > 1:
        raise InputError(
            f"{LowerToCpu.NAME}: which function is the program?",
            location=Location(target.filename),
            hint=f"entry=NAME names it; there are {', '.join('@' + name for name in names)}",
        )
    return names[0]
