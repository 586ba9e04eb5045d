"""What an operation costs, estimated: the larger of arithmetic and memory traffic, plus a launch.

The estimate ranks candidates before they are measured; it knows bytes and launches as well as
floating-point operations, and has one set of numbers for each target, none for each model.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from einnet.expr.nodes import Scope, tensors_of
from einnet.expr.program import Definition


@dataclass(frozen=True)
class Machine:
    """Rates of one target: flop/s of a library product, flop/s of generated loops, bytes/s of
    memory, seconds to start one operation, bytes of an element, element types of its products."""

    name: str
    product_rate: float
    loop_rate: float
    bandwidth: float
    launch: float
    element: int = 4
    types: tuple[str, ...] = ("f32", "f64")


CPU = Machine("cpu", product_rate=5e10, loop_rate=2e9, bandwidth=8e9, launch=1e-6)
"""One core of a current server processor, float32."""


def points(scope: Scope) -> int:
    """Points of the scope's iteration space, nested scopes not counted."""
    return prod(i.extent for i in scope.traversal + scope.summation)


def definition_seconds(definition: Definition, machine: Machine) -> float:
    """The estimated time of one definition on `machine`, in seconds."""
    elements = prod(definition.result.shape)
    traffic = elements + sum(prod(t.shape) for t in tensors_of(definition.scope))
    memory = traffic * machine.element / machine.bandwidth
    scope = definition.scope
    if definition.library is not None:
        arithmetic = 2 * points(scope) / machine.product_rate
    else:
        reads = sum(max(1, len(t.factors)) for t in scope.body)
        arithmetic = points(scope) * reads / machine.loop_rate
    return max(arithmetic, memory) + machine.launch
