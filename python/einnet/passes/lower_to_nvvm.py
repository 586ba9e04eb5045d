"""`einnet-lower-to-nvvm`: functions on tensors as kernels for a GPU, and what launches them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from mlir import ir

from einnet.errors import InputError
from einnet.passes.module_pass import Example, ModulePass, Target

STAGES = ("gpu", "nvvm", "binary")

_EXAMPLE = Example(
    """
func.func @f(%x: tensor<1024xf32>, %y: tensor<1024xf32>) -> tensor<1024xf32> {
  %empty = tensor.empty() : tensor<1024xf32>
  %sum = linalg.add ins(%x, %y : tensor<1024xf32>, tensor<1024xf32>)
      outs(%empty : tensor<1024xf32>) -> tensor<1024xf32>
  return %sum : tensor<1024xf32>
}
""",
    "stage=gpu",
    same=False,
)


@dataclass(frozen=True)
class LowerToNvvm(ModulePass):
    """Each operation becomes a kernel in a `gpu.module`, and each function one that launches the
    kernels in order. Operations tagged `einnet.library` become calls of the library.

    The pass refuses, at the operation, what no kernel computes.
    """

    NAME: ClassVar[str] = "einnet-lower-to-nvvm"
    SUMMARY: ClassVar[str] = "Make GPU kernels of all operations, and functions that launch them"
    EXAMPLE: ClassVar[Example] = _EXAMPLE
    MODULE_ONLY: ClassVar[bool] = True

    chip: str = field(default="sm_90a", metadata={"help": "the GPU that kernels are assembled for"})
    stage: str = field(
        default="nvvm",
        metadata={"help": "how far kernels go: gpu (functions), nvvm (dialect), binary (PTX)"},
    )

    def __post_init__(self) -> None:
        from einnet.codegen.gpu.assemble import check_chip

        check_chip(self.chip)
        if self.stage not in STAGES:
            raise InputError(f"unknown stage '{self.stage}'", hint=f"stages: {', '.join(STAGES)}")

    def run(self, target: Target) -> ir.Module:
        # Here and not above: einnet-opt's help lists passes without code generation.
        from einnet.codegen.gpu.assemble import binary_pipeline, nvvm_pipeline
        from einnet.codegen.gpu.module import gpu_module
        from einnet.toolchain.mlir import run_pipeline

        module = gpu_module(target.module, target.filename)
        if self.stage != "gpu":
            run_pipeline(module, nvvm_pipeline(), target.filename)
        if self.stage == "binary":
            run_pipeline(module, binary_pipeline(self.chip), target.filename)
        return module
