"""The order of the loops that an operation becomes, and the arithmetic that LLVM may contract.

LLVM vectorizes the innermost loop only, and only if it writes to memory with stride one without
carrying a sum (reassociating a sum of floats would change its rounding). A convolution in NCHW
ends in its reduction dimensions; moving its last output dimension inside turns a chain of dependent
additions into independent ones.
"""

from __future__ import annotations

from mlir import ir
from mlir.dialects import func

from einnet.codegen.cpu.walk import indexing_maps, walk

# Below this extent a vector loop costs more than it brings.
_SHORTEST_VECTOR_LOOP = 4
_ANNOTATION = "llvm.loop_annotation"
_CONTRACTED = frozenset({"arith.addf", "arith.subf", "arith.mulf"})


def reorder_reductions(function: func.FuncOp) -> None:
    """In every `linalg.generic` with a reduction, put the output's contiguous dimension last."""
    for op in walk(function.operation):
        if op.name == "linalg.generic" and not _reads_indices(op):
            last = _vector_dimension(op)
            if last is not None:
                _move_last(op, last)


def allow_contraction(function: func.FuncOp) -> None:
    """Let LLVM fuse a product and a sum into one rounding (FMA), and nothing else.

    `contract` removes a rounding, so results differ from the unfused program in the last place,
    never by reassociation: sums keep their order.
    """
    contract = ir.Attribute.parse("#arith.fastmath<contract>", function.operation.context)
    for op in walk(function.operation):
        if op.name in _CONTRACTED:
            op.attributes["fastmath"] = contract


def keep_rolled(function: func.FuncOp) -> None:
    """Forbid LLVM to unroll the loops of `function`, which runs once.

    Unrolling the relayouts of `@prepare` took most of a model's compile time.
    """
    rolled = ir.Attribute.parse(
        "#llvm.loop_annotation<unroll = #llvm.loop_unroll<disable = true>>",
        function.operation.context,
    )
    for op in walk(function.operation):
        if op.name == "scf.for":
            op.attributes[_ANNOTATION] = rolled


def export_annotations(module: ir.Module) -> None:
    """In the LLVM dialect: hand annotations to the branches they were lowered to.

    The lowering of scf copies them under the name they have there, which translation ignores.
    """
    for op in walk(module.operation):
        if _ANNOTATION in op.attributes:
            op.attributes["loop_annotation"] = op.attributes[_ANNOTATION]
            del op.attributes[_ANNOTATION]


def _vector_dimension(op: ir.Operation) -> int | None:
    """The dimension to put last: contiguous in the output, and in the last dimension of each input
    or absent there. Inputs may be read in steps: several loads for one vector still beat a chain
    of dependent additions."""
    kinds = [str(kind) for kind in ir.ArrayAttr(op.attributes["iterator_types"])]
    if not any("reduction" in kind for kind in kinds):
        return None
    *inputs, output = indexing_maps(op)
    if not output.results or not isinstance(output.results[-1], ir.AffineDimExpr):
        return None
    dimension = ir.AffineDimExpr(output.results[-1]).position
    extent = ir.ShapedType(op.operands[len(op.operands) - 1].type).shape[-1]
    if extent < _SHORTEST_VECTOR_LOOP or dimension == len(kinds) - 1:
        return None
    for map_ in inputs:
        steps = [_coefficient(expression, dimension) for expression in map_.results]
        if any(step != 0 for step in steps[:-1]) or None in steps[-1:]:
            return None
    return dimension


def _coefficient(expression: ir.AffineExpr, dimension: int) -> int | None:
    """Of `dimension` in `expression`; None where it isn't a constant."""
    if isinstance(expression, ir.AffineDimExpr):
        return int(ir.AffineDimExpr(expression).position == dimension)
    if isinstance(expression, ir.AffineConstantExpr):
        return 0
    if isinstance(expression, ir.AffineAddExpr):
        binary = ir.AffineAddExpr(expression)
        left, right = (_coefficient(e, dimension) for e in (binary.lhs, binary.rhs))
        return None if left is None or right is None else left + right
    if isinstance(expression, ir.AffineMulExpr):
        product = ir.AffineMulExpr(expression)
        left = _coefficient(product.lhs, dimension)
        if left == 0:
            return 0
        if left is not None and isinstance(product.rhs, ir.AffineConstantExpr):
            return left * ir.AffineConstantExpr(product.rhs).value
        return None
    return None


def _move_last(op: ir.Operation, dimension: int) -> None:
    kinds = list(ir.ArrayAttr(op.attributes["iterator_types"]))
    count = len(kinds)
    order = [d for d in range(count) if d != dimension] + [dimension]
    with op.context:
        renamed = ir.AffineMap.get(
            count, 0, [ir.AffineDimExpr.get(order.index(d)) for d in range(count)]
        )
        maps = [
            ir.AffineMap.get(count, 0, [e.compose(renamed) for e in map_.results])
            for map_ in indexing_maps(op)
        ]
        op.attributes["indexing_maps"] = ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in maps])
        op.attributes["iterator_types"] = ir.ArrayAttr.get([kinds[d] for d in order])


def _reads_indices(op: ir.Operation) -> bool:
    return any(inner.name == "linalg.index" for inner in walk(op))
