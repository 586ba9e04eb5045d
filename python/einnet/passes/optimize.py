"""`einnet-optimize`: the whole optimizer on a module, as one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mlir import ir

from einnet.errors import EinnetError
from einnet.options import Options
from einnet.passes.module_pass import Example, ModulePass, Target

_EXAMPLE = Example(
    """
func.func @f(%x: tensor<1x64x14x14xf32>, %w: tensor<32x64x1x1xf32>) -> tensor<1x32x14x14xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x32x14x14xf32>
  %y = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x64x14x14xf32>, tensor<32x64x1x1xf32>)
      outs(%zero : tensor<1x32x14x14xf32>) -> tensor<1x32x14x14xf32>
  return %y : tensor<1x32x14x14xf32>
}
""",
    "measure=false",
)


@dataclass(frozen=True)
class Optimize(Options, ModulePass):
    """What `einnet compile` does between reading a model and lowering it, on every function that
    sums products: each is searched, candidates are proved and, with `measure`, timed on this
    machine, and the whole is proved equal to what it was. The result is linalg again; operations of
    one kernel share an `einnet.kernel`, and those that a library computes have an `einnet.library`.

    A function is replaced as a whole, and keeps its name, place, attributes and signature. All else
    stays as it is: functions with nothing to search, with several blocks, or with an
    `einnet.library` in them already; declarations; nested modules; operations of any dialect,
    around which a function is optimized (`--allow-unregistered-dialect` for unknown ones). Shapes
    that are not static are left alone.

    What depends on weights alone (arguments with `einnet.weight`) moves to a function `@prepare`,
    whose results become arguments with `einnet.constant`, if one function has weights and nothing
    in the module refers to it; otherwise weights are arguments like others.

    For `target=cuda` the result is the variant that a compilation would run. Functions with
    operations that no GPU kernel computes stay; `measure` needs a GPU here, and weights measured
    with have to be known, so that `measure=false` is what a module with weights takes.
    """

    NAME: ClassVar[str] = "einnet-optimize"
    SUMMARY: ClassVar[str] = "Derive, verify and choose faster programs for the whole module"
    EXAMPLE: ClassVar[Example] = _EXAMPLE
    MODULE_ONLY: ClassVar[bool] = True

    def run(self, target: Target) -> ir.Module:
        # Here and not above: the driver brings in code generation and the runtime.
        from einnet.driver import optimize_module

        try:
            return optimize_module(target.module, self, filename=target.filename)
        except EinnetError as error:
            if "--no-measure" in (error.hint or ""):
                # The driver speaks of the flags of `einnet compile`.
                error.hint = "measure=false chooses by estimates"
            raise
