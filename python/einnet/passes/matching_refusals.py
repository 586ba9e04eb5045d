"""Why an operation is no library operator as it stands: the reasons of `einnet-match-operators`."""

from __future__ import annotations

from einnet.expr.nodes import Read, Scope
from einnet.operators.product import PRODUCT
from einnet.operators.table import mapping_table
from einnet.rules.rewrite import NotApplicable
from einnet.search.distance import BadPart, distance
from einnet.search.state import State, start

_ORDINALS = ("first", "second")


def require_contraction(scope: Scope) -> None:
    """Raise NotApplicable unless the scope sums products of two tensors."""
    if not scope.summation:
        raise NotApplicable("it sums over no loop")
    if len(scope.body) != 1:
        raise NotApplicable(f"it sums {len(scope.body)} terms, not one product")
    factors = scope.term.factors
    if any(not isinstance(f, Read) for f in factors):
        raise NotApplicable("it applies a nonlinear function before it sums")
    if len(factors) != 2:
        raise NotApplicable(f"it multiplies {len(factors)} tensors, not two")


def product_mismatch(scope: Scope) -> str:
    """Which loop, dimension or row keeps a contraction from being a product of matrices."""
    state = start(scope)
    if state is None:
        return "it is 0 everywhere"
    core = state.core
    reads = core.term.reads
    if len(reads) != 2:
        return f"it multiplies {len(reads)} tensors, not two"
    operands = (reads[0], reads[1])
    stray = _stray_iterator(core, operands)
    if stray:
        return stray
    for obstacle in distance(core, operands, PRODUCT).obstacles:
        if isinstance(obstacle, BadPart):
            return (
                f"dimension {obstacle.dimension} of the {_ORDINALS[obstacle.operand]} operand is"
                f" read at {obstacle.part}, which is not one loop"
            )
        return f"no operand has all loops of the condition {_shown(state, obstacle.iterators)}"
    if not mapping_table(core, operands).row("k"):
        return "row k is empty: no loop is summed over and in both operands"
    return "its operands would have to be stored several times over"


def _stray_iterator(core: Scope, operands: tuple[Read, Read]) -> str:
    """Which iterator is in no row of a library operator, empty if none is."""
    table = mapping_table(core, operands)
    output = {i.name for i in core.traversal}
    for name in table.row("?"):
        inside = [_ORDINALS[d] for d, occurs in enumerate(table.occurs) if name in occurs]
        summed = "traversed" if name in output else "summed over"
        where = f"only in the {inside[0]} operand" if inside else "in no operand"
        return f"the loop {name} is {summed} but {where}, and no row of a library operator is that"
    return ""


def convolution_mismatch(scope: Scope) -> str:
    """Which dimensions keep a contraction from being a convolution."""
    image = max(
        scope.term.reads, key=lambda r: sum(not _is_plain(r, d) for d in range(len(r.index)))
    )
    several = [d for d in range(len(image.index)) if not _is_plain(image, d)]
    if not several:
        return "no operand is read at a traversal loop plus a summation loop"
    return (
        f"an operand is read at {', '.join(str(image.index[d]) for d in several)}, and windows are"
        " stride*x + dilation*y + a constant, or (x - y + a constant) div stride where exact"
    )


def _is_plain(read: Read, dimension: int) -> bool:
    index = read.index[dimension]
    return index.name is not None or index.is_constant


def _shown(state: State, names: frozenset[str]) -> str:
    return f"on {', '.join(sorted(names))} in {state.core}"
