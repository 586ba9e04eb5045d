"""What a pass of einnet is, and what it is run on.

docs/passes.md is made of the pass classes (`make docs`): the name, `SUMMARY`, the class's
docstring, the options with their help and defaults, and `EXAMPLE`. Of an example only the input and
the options are written down; the result on the page is what the pass makes of it, and a test proves
it equal to the input, so choose a small function on tensors of static shape. Every registered pass
has one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from mlir import ir

MODULE = "builtin.module"
ANY = "any"


@dataclass(frozen=True)
class Example:
    """A use of a pass: the module `before`, as text, and the text of its options.

    `same` says that every function of the result computes what it did before, which is tested.
    It does not hold for a pass that leaves tensors, or changes functions on purpose.
    """

    before: str
    options: str = ""
    same: bool = True


@dataclass(frozen=True)
class Target:
    """The operations of `module` that a pass is run on.

    `path` names the operations that the pipeline nested the pass under, outermost first, the
    module itself left out; `filename` stands in messages for a source without a name.
    """

    module: ir.Module
    filename: str = "<stdin>"
    path: tuple[str, ...] = ()

    def roots(self) -> tuple[ir.Operation, ...]:
        """The operations that `path` leads to; the module itself for an empty path."""
        found = [self.module.operation]
        for name in self.path:
            found = [
                view.operation
                for parent in found
                for region in parent.regions
                for block in region.blocks
                for view in block.operations
                if _is_meant(view.operation, name)
            ]
        return tuple(found)


def _is_meant(operation: ir.Operation, name: str) -> bool:
    """Whether a pipeline runs what is nested under `name`, which may be `any`, on the operation."""
    if name == ANY:
        # MLIR asks for a trait, isolation from above; functions and modules are what has it.
        return operation.name == MODULE or "sym_name" in operation.attributes
    return operation.name == name


class ModulePass(ABC):
    """A pass: a frozen dataclass whose fields are its options.

    The docstring of the class is for users: Markdown, what the pass does and when it refuses.
    A field's `metadata["help"]` documents the option; a field without a default has to be given.
    An underscore at the end of a field's name, there to avoid a keyword, is not part of the
    option's name, and other underscores are hyphens in it.
    """

    NAME: ClassVar[str]
    SUMMARY: ClassVar[str]
    EXAMPLE: ClassVar[Example]
    MODULE_ONLY: ClassVar[bool] = False
    """Whether the pass cannot be nested under functions."""

    @abstractmethod
    def run(self, target: Target) -> ir.Module:
        """Run the pass and return the module to go on with, which may be another one.

        Raises EinnetError where the user asks for what cannot be done; the module may be dropped
        then.
        """
