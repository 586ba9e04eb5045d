"""`einnet-optimize`: the whole optimizer on a module, as one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mlir import ir

from einnet.options import Options
from einnet.passes.module_pass import ModulePass, Target


@dataclass(frozen=True)
class Optimize(Options, ModulePass):
    """`driver.optimize_module` on the module; its options are those of a compilation."""

    NAME: ClassVar[str] = "einnet-optimize"
    SUMMARY: ClassVar[str] = "Derive, verify and choose faster programs for the whole module"
    MODULE_ONLY: ClassVar[bool] = True

    def run(self, target: Target) -> ir.Module:
        # Here and not above: the driver brings in code generation and the runtime.
        from einnet.driver import optimize_module

        return optimize_module(target.module, self)
