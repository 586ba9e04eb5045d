"""Kernels of eOperators: which schedules a definition has, and the kernel of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from einnet.codegen.gpu.frame import Kernel
from einnet.codegen.gpu.gather import Gather, build_gather, gathers
from einnet.codegen.gpu.host import Buffer
from einnet.codegen.gpu.reduce import build_reduce
from einnet.codegen.gpu.reductions import Reduce, reductions
from einnet.codegen.gpu.sums import is_whole
from einnet.codegen.gpu.transpose import Transpose, build_transpose, transposes
from einnet.codegen.gpu.window import Window, windows
from einnet.codegen.gpu.window_kernel import build_window
from einnet.expr.program import Definition

Schedule = Gather | Transpose | Reduce | Window

__all__ = ["Kernel", "Schedule", "build_kernel", "schedules"]

_TILED = 1 << 18
"""Elements of a result from which on it is written in tiles if what it reads lies across: below,
what a gather reads in vain stays in the caches, and it waits for no barrier."""

_MOST = 5


def build_kernel(
    definition: Definition, buffers: Mapping[str, Buffer], schedule: Schedule | None = None
) -> Kernel:
    """The kernel of a definition that is one of `codegen.gpu.parts`.

    `buffers` are those of the tensors that it reads and of its result, by the tensors' names, with
    any strides. Raises InputError for what no kernel computes.
    """
    schedule = schedule or schedules(definition, buffers)[0]
    if isinstance(schedule, Transpose):
        return build_transpose(definition, buffers, schedule)
    if isinstance(schedule, Reduce):
        return build_reduce(definition, buffers, schedule)
    if isinstance(schedule, Window):
        return build_window(definition, buffers, schedule)
    return build_gather(definition, buffers, schedule)


def schedules(definition: Definition, buffers: Mapping[str, Buffer]) -> tuple[Schedule, ...]:
    """The schedule that is taken unasked, then others that are worth measuring: at most five.

    Raises InputError for what no kernel computes.
    """
    if is_whole(definition):
        return reductions(definition, buffers)
    gathered = gathers(definition, buffers)
    tiled = transposes(definition, buffers)
    windowed = windows(definition, buffers)
    large = prod(definition.result.shape) >= _TILED
    if tiled and large:
        first, *others = (*tiled, *gathered)
    elif windowed and large:
        first, *others = (*windowed, *gathered)
    else:
        first, *others = (*reductions(definition, buffers), *gathered, *tiled)
    # Whatever is left out, one of each kind is measured: two windows, which differ more.
    kinds = [
        schedule
        for kind in (windowed[: 1 if tiled else 2], tiled[:1])
        if first not in kind
        for schedule in kind
    ]
    others = [*others[: _MOST - 1 - len(kinds)], *kinds]
    return tuple(dict.fromkeys((first, *others)))[:_MOST]
