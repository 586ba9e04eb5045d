"""The residual that a library call adds, as the matrix or image that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from einnet.codegen.gpu.epilogue import LibraryWork
from einnet.codegen.gpu.host import Image, Matrix
from einnet.codegen.gpu.matrices import (
    Placed,
    Unreadable,
    extents_of,
    matrix,
    require_aligned,
    steps_of,
)
from einnet.expr.index import var
from einnet.expr.program import Product


def residual_matrix(work: LibraryWork, placed: Placed) -> Matrix:
    """The c of a product; one for the whole batch if it has no batch of its own.

    Raises Unreadable if it is no such matrix there, or the work has none.
    """
    library, residual = work.definition.library, work.residual
    if residual is None or not isinstance(library, Product):
        raise Unreadable("no product with a residual")
    groups = (library.batch, library.m, library.n)
    return matrix(placed, residual.read.index, groups, extents_of(work.definition))


def residual_image(work: LibraryWork, placed: Mapping[str, Placed], result: Image) -> Image | None:
    """The z of a convolution, if it has one. `result` is its y.

    Raises Unreadable unless z has the layout of y, which engines read alone, and is aligned.
    """
    if work.residual is None:
        return None
    read = work.residual.read
    there = placed[work.residual.tensor.name]
    extents = extents_of(work.definition)
    loops = tuple(var(n) for n in work.loops)
    steps = steps_of(read.index, there.strides, extents)
    own = steps_of(loops, placed[work.result.name].strides, extents)
    long = [n for n in work.loops if extents[n] > 1]
    if any(steps.get(n) != own[n] for n in long):
        raise Unreadable(f"{read.source} is no image in the layout of the result")
    image = replace(result, buffer=there.buffer, offset=there.offset)
    require_aligned(image, work.residual.tensor.dtype)
    return image
