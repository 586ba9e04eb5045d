"""What an operation costs, estimated: the larger of arithmetic and memory traffic, plus a launch.

The estimate ranks candidates before they are measured; it knows bytes and launches as well as
floating-point operations, and has one set of numbers for each target, none for each model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from einnet.expr.nodes import Scope, tensors_of
from einnet.expr.program import Definition, Product, Windowed


@dataclass(frozen=True)
class Machine:
    """Rates of one target: flop/s of a library product, flop/s of generated loops, bytes/s of
    memory, seconds to start one operation, bytes of an element, element types of its products.

    A library computes `tile` x `tile` elements of a result at a time on each of `units` processors,
    which share the rate, and takes sums in steps of `vector` elements. It may split the sum of a
    product, though not of an operator with windows, over processors that would be idle. A thread
    of a generated kernel takes `step` seconds for each product of a sum, since it waits for memory.
    """

    name: str
    product_rate: float
    loop_rate: float
    bandwidth: float
    launch: float
    element: int = 4
    types: tuple[str, ...] = ("f32", "f64")
    units: int = 1
    tile: int = 1
    vector: int = 1
    step: float = 0.0


CPU = Machine("cpu", product_rate=5e10, loop_rate=2e9, bandwidth=8e9, launch=1e-6)
"""One core of a current server processor, float32."""

H100 = Machine(
    "h100 tf32",
    product_rate=2.5e14,
    loop_rate=5e12,
    bandwidth=3.0e12,
    launch=2e-6,
    types=("f16", "bf16", "f32", "f64"),
    units=132,
    tile=64,
    vector=4,
    step=3.5e-8,
)
"""An NVIDIA H100 SXM with products in TF32: rates that library calls reached in measurements."""

_SPLITS = (1, 2, 4, 8, 16)
"""Into how many parts a library may split a sum; adding the parts takes another launch."""

_TRANSPOSED = 2.5
"""How many times slower libraries multiply in a transposed operator with a stride, measured."""


_RESIDENT = 2048
"""Threads that a processor runs at a time."""

_THREADS = 8
"""Threads that a generated kernel may be trusted to split one sum over."""


def h100(precision: str) -> Machine:
    """The H100 in a precision of `einnet.options`; raises KeyError for an unknown one."""
    half = replace(H100, product_rate=5e14, element=2, vector=8)
    machine = {
        "fp32": replace(H100, product_rate=4.2e13, vector=1),
        "tf32": H100,
        "fp16": half,
        "bf16": half,
    }[precision]
    return replace(machine, name=f"h100 {precision}")


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
        arithmetic = _library_seconds(scope, definition.library, machine)
    else:
        reads = sum(max(1, len(t.factors)) for t in scope.body)
        threads = min(_THREADS, max(1, machine.units * _RESIDENT // max(1, elements)))
        waiting = prod(i.extent for i in scope.summation) * machine.step / threads
        arithmetic = max(points(scope) * reads / machine.loop_rate, waiting)
    return max(arithmetic, memory) + machine.launch


def _library_seconds(scope: Scope, library: Product | Windowed, machine: Machine) -> float:
    """The arithmetic of a library operator, on several processors as a product in tiles, or, of
    many small ones, as loops where tiles would be almost empty: a depthwise convolution."""
    if machine.units == 1:
        return 2 * points(scope) / machine.product_rate
    extents = {i.name: i.extent for i in scope.traversal + scope.summation}
    batch, m, n, k = (
        prod(extents[name] for name in group)
        for group in (library.batch, library.m, library.n, library.k)
    )
    k = _blocks(k, machine.vector) * machine.vector
    windows = library.windows if isinstance(library, Windowed) else ()
    for window in windows:
        m *= extents[window.x]
        # A transposed operator skips the products with the zeros between its elements.
        taps = extents[window.y]
        k *= _blocks(taps, window.stride) if window.transposed else taps
    slower = any(w.transposed and w.stride > 1 for w in windows)
    tiles = batch * _blocks(m, machine.tile) * _blocks(n, machine.tile)
    tile_seconds = 2 * machine.tile**2 * k * machine.units / machine.product_rate
    tile_seconds *= _TRANSPOSED if slower else 1.0
    tiled = min(
        _blocks(tiles * parts, machine.units) * tile_seconds / parts
        + (machine.launch if parts > 1 else 0.0)
        for parts in (_SPLITS if not windows else (1,))
    )
    return min(tiled, 2 * points(scope) / machine.loop_rate) if batch > 1 else tiled


def _blocks(size: int, block: int) -> int:
    return -(-size // block)
