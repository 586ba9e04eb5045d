"""linalg's structured operations, named or generic, as scopes.

A named operation carries the region and the indexing maps of its generic form, so both are read
the same way and nothing is rewritten first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from mlir import ir
from mlir.dialects import linalg

from einnet.bridge.constants import constant_of
from einnet.bridge.refusal import NotExpressible
from einnet.bridge.region import NameOf, Region, evaluate_block, value_of
from einnet.bridge.sums import collected
from einnet.bridge.values import Data, Scalar, data_body, number_body
from einnet.expr.index import Index, Ranges, constant, floordiv, mod, var
from einnet.expr.nodes import Body, Iterator, Read, Scope, Tensor, Term, factors_of

_LOOPS = {
    "linalg.matmul": "i j k",
    "linalg.batch_matmul": "b i j k",
    "linalg.conv_1d_ncw_fcw": "n f w c s",
    "linalg.conv_1d_nwc_wcf": "n w f s c",
    "linalg.conv_2d_nchw_fchw": "n f h w c r s",
    "linalg.conv_2d_ngchw_gfchw": "n g f h w c r s",
    "linalg.conv_2d_nhwc_hwcf": "n h w f r s c",
    "linalg.conv_2d_nhwc_fhwc": "n h w f r s c",
    "linalg.conv_3d_ncdhw_fcdhw": "n f d h w c q r s",
    "linalg.depthwise_conv_2d_nchw_chw": "n h w c r s",
    "linalg.depthwise_conv_2d_nhwc_hwc": "n h w c r s",
    "linalg.pooling_nchw_sum": "n c h w r s",
}
"""What people call the loops of well-known operations, outermost first."""

_POSITIONS = {1: "i", 2: "i j", 3: "n c w", 4: "n c h w", 5: "n c d h w"}
"""Names of a tensor's dimensions by rank."""


@dataclass(frozen=True)
class Lifted:
    """One result of an operation: `initial + scope`, `initial` over the scope's traversal."""

    scope: Scope
    initial: Body = ()


def position_names(rank: int) -> tuple[str, ...]:
    """Names for the iterators of a tensor's positions."""
    known = _POSITIONS.get(rank)
    return tuple(known.split()) if known else tuple(f"i{d}" for d in range(rank))


def positions(shape: Sequence[int]) -> tuple[Iterator, ...]:
    """One iterator for each dimension of a tensor of this shape."""
    names = position_names(len(shape))
    return tuple(Iterator(n, 0, extent) for n, extent in zip(names, shape, strict=True))


def indexing_maps(operation: ir.Operation) -> list[ir.AffineMap]:
    """One map for each operand of a structured operation; none for any other operation."""
    # The stubs do not know this function; its result is None or an array of affine maps.
    found = cast(Any, linalg).get_indexing_maps(operation)
    return [] if found is None else [ir.AffineMapAttr(a).value for a in ir.ArrayAttr(found)]


def lift_structured(operation: ir.Operation, name_of: NameOf) -> tuple[Lifted, ...]:
    """The results, in order, of an operation that has indexing maps and one region.

    Raises NotExpressible.
    """
    maps = indexing_maps(operation)
    inputs = len(maps) - len(operation.results)
    order = [[_loop_of(e) for e in m.results] for m in maps[inputs:]]
    reductions = _reductions(operation, maps[0].n_dims, order[0])
    names = _loop_names(operation.name, maps[0].n_dims, order[0], reductions)
    extents = _extents(operation, maps)
    iterators = [Iterator(n, 0, extent) for n, extent in zip(names, extents, strict=True)]
    ranges = {i.name: i.range for i in iterators}
    loops = tuple(var(n) for n in names)
    arguments: list[Scalar] = []
    accumulators: list[Body] = []
    initials: list[Body] = []
    for number, (value, map_) in enumerate(zip(operation.operands, maps, strict=True)):
        index = tuple(index_of(e, loops, ranges) for e in map_.results)
        if number < inputs:
            arguments.append(_element(value, index, name_of))
            continue
        known = constant_of(value)
        start = _read(name_of(value), index) if known is None else number_body(known)
        initials.append(start)
        if reductions:
            # A tensor that no program has, so that the old value is found again in the result.
            tensor = Tensor(f"%accumulator{number}", tuple(ir.RankedTensorType(value.type).shape))
            accumulators.append(_read(tensor, index))
            start = accumulators[-1]
        arguments.append(Data(start))
    yielded = evaluate_block(
        operation.regions[0].blocks[0], arguments, Region(loops, ranges, name_of)
    )
    summation = tuple(iterators[d] for d in reductions)
    lifted: list[Lifted] = []
    for number, (value, dimensions) in enumerate(zip(yielded, order, strict=True)):
        if sorted(dimensions) != sorted(order[0]):
            raise NotExpressible("an output that does not have every parallel loop")
        traversal = tuple(iterators[d] for d in dimensions)
        body = collected(data_body(value), ranges)
        if reductions:
            body = _summand(body, accumulators, number)
            lifted.append(Lifted(Scope(traversal, summation, body), initials[number]))
        else:
            lifted.append(Lifted(Scope(traversal, (), body)))
    return tuple(lifted)


def _read(tensor: Tensor, index: tuple[Index, ...]) -> Body:
    return (Term((Read(tensor, index),)),)


def _element(value: ir.Value, index: tuple[Index, ...], name_of: NameOf) -> Scalar:
    if isinstance(value.type, ir.ShapedType):
        return Data(_read(name_of(value), index))
    return value_of(value, {})


def _summand(body: Body, accumulators: list[Body], number: int) -> Body:
    """f, where the body is `accumulator + f`."""
    (own,) = accumulators[number]
    rest = tuple(t for t in body if t != own)
    markers = {r.source for a in accumulators for t in a for r in t.reads}
    if len(rest) == len(body) or any(
        isinstance(f, Read) and f.source in markers for f in factors_of(rest)
    ):
        raise NotExpressible("a reduction that is no sum")
    return rest


def _loop_of(expression: ir.AffineExpr) -> int:
    if not isinstance(expression, ir.AffineDimExpr):
        raise NotExpressible("an output map that is no permutation of loops")
    return expression.position


def _reductions(operation: ir.Operation, rank: int, parallel: list[int]) -> tuple[int, ...]:
    """The loops that no output has; a generic operation must call them reductions."""
    if len(set(parallel)) != len(parallel):
        raise NotExpressible("an output map that repeats a loop")
    reductions = tuple(d for d in range(rank) if d not in parallel)
    if "iterator_types" in operation.attributes:
        kinds = [str(kind) for kind in ir.ArrayAttr(operation.attributes["iterator_types"])]
        if any("reduction" in kind and d in parallel for d, kind in enumerate(kinds)) or any(
            "reduction" not in kinds[d] for d in reductions
        ):
            raise NotExpressible("loop kinds that the output maps do not bear out")
    return reductions


def _extents(operation: ir.Operation, maps: list[ir.AffineMap]) -> list[int]:
    """The loops' extents, each from an operand dimension that is this loop alone."""
    extents: dict[int, int] = {}
    for value, map_ in zip(operation.operands, maps, strict=True):
        if isinstance(value.type, ir.ShapedType):
            for expression, extent in zip(map_.results, value.type.shape, strict=True):
                if isinstance(expression, ir.AffineDimExpr):
                    extents[expression.position] = extent
    if len(extents) != maps[0].n_dims:
        raise NotExpressible("a loop whose extent no operand has")
    return [extents[d] for d in range(len(extents))]


def _loop_names(
    name: str, rank: int, parallel: list[int], reductions: tuple[int, ...]
) -> tuple[str, ...]:
    known = _LOOPS.get(name, "").split()
    if len(known) == rank:
        return tuple(known)
    names = dict(zip(parallel, position_names(len(parallel)), strict=True))
    for number, loop in enumerate(reductions):
        names[loop] = f"k{number}" if len(reductions) > 1 else "k"
    return tuple(names[d] for d in range(rank))


def index_of(expression: ir.AffineExpr, loops: Sequence[Index], ranges: Ranges) -> Index:
    """An affine expression as an index. Raises NotExpressible for a symbol."""
    if isinstance(expression, ir.AffineDimExpr):
        return loops[expression.position]
    if isinstance(expression, ir.AffineConstantExpr):
        return constant(expression.value)
    if not isinstance(expression, ir.AffineBinaryExpr):
        raise NotExpressible(f"{expression} in an indexing map")
    left = index_of(expression.lhs, loops, ranges)
    right = index_of(expression.rhs, loops, ranges)
    if isinstance(expression, ir.AffineAddExpr):
        return left + right
    if not right.is_constant:
        raise NotExpressible(f"{expression} in an indexing map")
    if isinstance(expression, ir.AffineMulExpr):
        return left * right.const
    if right.const <= 0:
        raise NotExpressible(f"{expression} in an indexing map")
    if isinstance(expression, ir.AffineFloorDivExpr):
        return floordiv(left, right.const, ranges)
    if isinstance(expression, ir.AffineCeilDivExpr):
        return -floordiv(-left, right.const, ranges)
    return mod(left, right.const, ranges)
