"""What a pass of einnet is, and what it is run on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from mlir import ir


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
                if view.operation.name == name
            ]
        return tuple(found)


class ModulePass(ABC):
    """A pass: a frozen dataclass whose fields are its options.

    A field's `metadata["help"]` documents the option; a field without a default has to be given.
    An underscore at the end of a field's name, there to avoid a keyword, is not part of the
    option's name, and other underscores are hyphens in it.
    """

    NAME: ClassVar[str]
    SUMMARY: ClassVar[str]
    MODULE_ONLY: ClassVar[bool] = False
    """Whether the pass cannot be nested under functions."""

    @abstractmethod
    def run(self, target: Target) -> ir.Module:
        """Run the pass and return the module to go on with, which may be another one.

        Raises EinnetError where the user asks for what cannot be done; the module may be dropped
        then.
        """
