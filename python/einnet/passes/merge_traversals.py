"""`einnet-merge-traversals`: the operations that an operation reads are composed into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from mlir import ir

from einnet.bridge.lift import lift_operation
from einnet.expr.nodes import Read, Scope, Tensor
from einnet.expr.program import Definition
from einnet.passes.labelled import Labelled, TensorNames, apply_rule, map_reads
from einnet.passes.module_pass import ModulePass, Target
from einnet.rules.rewrite import NotApplicable
from einnet.rules.traversal_merging import merge_traversals

_DATA = frozenset(("arith.constant", "tensor.empty"))
"""Operations that hold tensors rather than compute them."""


@dataclass(frozen=True)
class MergeTraversals(ModulePass):
    """The rule of `rules.traversal_merging` on the operation with the label.

    Only the operations that it reads are composed, not those that they read. One that is used
    elsewhere too stays for its other users.
    """

    NAME: ClassVar[str] = "einnet-merge-traversals"
    SUMMARY: ClassVar[str] = "Compose the producers of an operation into it"

    label: str = field(metadata={"help": "the operation's einnet.label"})

    def run(self, target: Target) -> ir.Module:
        return apply_rule(target, self.NAME, self.label, merge_producers)


def merge_producers(found: Labelled) -> Scope:
    """The expression of the operation over what its producers read.

    Raises NotApplicable if no producer has an expression, or none can be composed.
    """
    producers = {
        tensor: scope
        for tensor in found.definition.operands
        if (scope := produced(found.names.values[tensor.name], found.names)) is not None
    }
    if not producers:
        raise NotApplicable("no operand is computed by an operation that has an expression")

    def nested(read: Read) -> Read:
        source = read.source
        known = producers.get(source) if isinstance(source, Tensor) else None
        return read if known is None else Read(known, read.index)

    # A producer that could not be composed stays the operation that it is.
    tensors = {scope: tensor for tensor, scope in producers.items()}

    def restored(read: Read) -> Read:
        source = read.source
        return Read(tensors[source], read.index) if isinstance(source, Scope) else read

    scope = found.scope
    merged = merge_traversals(replace(scope, body=map_reads(scope.body, nested)))
    return replace(merged, body=map_reads(merged.body, restored))


def produced(value: ir.Value, names: TensorNames) -> Scope | None:
    """The expression of the operation that computes `value`; None if it has none."""
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name in _DATA or len(owner.results) != 1:
        return None
    definitions = lift_operation(owner, names)
    return None if definitions is None else _composed(definitions)


def _composed(definitions: Sequence[Definition]) -> Scope:
    """The last definition's scope, with those before it nested in it."""
    scopes: dict[str, Scope] = {}

    def nested(read: Read) -> Read:
        source = read.source
        known = scopes.get(source.name) if isinstance(source, Tensor) else None
        return read if known is None else Read(known, read.index)

    for definition in definitions:
        scope = definition.scope
        scopes[definition.result.name] = replace(scope, body=map_reads(scope.body, nested))
    return scopes[definitions[-1].result.name]
