"""The mutations by name, and which of them are worth trying on a mutant.

Parameters come from the expression: its strides, dilations, extents and reaches; only into how many
tiles a dimension is cut, and how many images are put side by side, is an option. A move that would
undo the one that made its iterators is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from einnet.expr.index import iterators_of
from einnet.expr.nodes import Scope
from einnet.mutations import (
    dimensions,
    groups,
    merging_borders,
    pooling,
    residues,
    splitting_carry,
    strides,
)
from einnet.mutations.mutant import (
    Mutant,
    Mutated,
    Sliding,
    bare,
    extents_of,
    is_core,
    operand,
    sliding,
)
from einnet.rules.rewrite import NotApplicable, Parameter, Step
from einnet.rules.unit_factor import is_reduction
from einnet.rules.variable_substitution import find

Arguments = Mapping[str, Parameter]


def apply(mutant: Mutant, step: Step) -> Mutant:
    """The mutant with one more step. Raises NotApplicable where the mutation refuses."""
    return mutant.then(_MUTATIONS[step.rule](mutant.core, step.arguments), step)


def replay(mutant: Mutant, steps: tuple[Step, ...]) -> Mutant:
    """The mutant with recorded steps. Raises NotApplicable where one does not apply."""
    for step in steps:
        mutant = apply(mutant, step)
    return mutant


def moves(core: Scope, tiles: tuple[int, ...]) -> Iterator[Step]:
    """Steps that may apply to the core, those that change the operator first."""
    if is_reduction(core):
        yield from _pooling(core)
    if not is_core(core):
        return
    for iterator in groups.shared(core):
        for filled in range(2):
            yield Step(groups.ZEROS, (("iterator", iterator.name), ("filled", filled)))
        yield Step(groups.DIAGONAL, (("iterator", iterator.name),))
    for which in range(2):
        windows = _windows(core, which)
        for dimension, window in windows.items():
            at = (("operand", which), ("dimension", dimension))
            if window.stride > 1:
                yield Step(strides.RULE, at)
            elif residues.dilation(core, which, dimension) > 1:
                yield Step(residues.RULE, at)
        yield from _batches(core, which, windows, tiles)
        yield from _tiles(which, windows, tiles)


def _pooling(core: Scope) -> Iterator[Step]:
    yield Step(pooling.RULE)
    for dimension, index in enumerate(operand(core, 0).index):
        if index.name in {i.name for i in core.traversal}:
            yield Step(pooling.RULE, (("channel", dimension),))


def _windows(core: Scope, which: int) -> dict[int, Sliding]:
    """The dimensions of an operand along which sums and a traversal iterator slide together."""
    found: dict[int, Sliding] = {}
    for dimension, index in enumerate(operand(core, which).index):
        if len(iterators_of(index)) > 1:
            try:
                found[dimension] = sliding(core, which, dimension)
            except NotApplicable:
                continue
    return found


def _batches(
    core: Scope, which: int, windows: Mapping[int, Sliding], tiles: tuple[int, ...]
) -> Iterator[Step]:
    """Parts of a batch side by side, and a batch in parts."""
    extents = extents_of(operand(core, which))
    for outer in range(len(extents)):
        try:
            n = bare(core, which, outer)
        except NotApplicable:
            continue
        if n.extent == 1 or not windows:
            continue
        for inner, window in windows.items():
            if _pair(n.name, window.x.name):
                continue
            for gap in merging_borders.gaps(window, extents[inner]):
                yield Step(
                    merging_borders.RULE,
                    (("operand", which), ("outer", outer), ("inner", inner), ("gap", gap)),
                )
        for count in tiles:
            if count < n.extent and n.extent % count == 0 and "." not in n.name:
                yield Step(
                    dimensions.SPLIT,
                    (("operand", which), ("dimension", outer), ("factor", count)),
                )


def _tiles(which: int, windows: Mapping[int, Sliding], tiles: tuple[int, ...]) -> Iterator[Step]:
    for dimension, window in windows.items():
        if "." in window.x.name:
            continue
        for count in tiles:
            tile = -(-window.x.extent // count)
            if not 1 < tile < window.x.extent:
                continue
            for halo in range(2):
                yield Step(
                    splitting_carry.RULE,
                    (
                        ("operand", which),
                        ("dimension", dimension),
                        ("tile", tile),
                        ("halo", halo),
                    ),
                )


def _pair(outer: str, inner: str) -> bool:
    """Whether one split made the two iterators, quotient and remainder."""
    return outer.endswith(".q") and inner == f"{outer.removesuffix('.q')}.r"


def _number(arguments: Arguments, key: str) -> int:
    value = arguments[key]
    assert isinstance(value, int)
    return value


def _name(core: Scope, arguments: Arguments) -> str:
    value = arguments["iterator"]
    assert isinstance(value, str)
    return find(core, value).name


def _merge_borders(core: Scope, arguments: Arguments) -> Mutated:
    numbers = [_number(arguments, key) for key in ("operand", "outer", "inner", "gap")]
    return merging_borders.merge_borders(core, *numbers)


def _split_carry(core: Scope, arguments: Arguments) -> Mutated:
    which, dimension, tile, halo = (
        _number(arguments, key) for key in ("operand", "dimension", "tile", "halo")
    )
    return splitting_carry.split_carry(core, which, dimension, tile, bool(halo))


def _merge_dimensions(core: Scope, arguments: Arguments) -> Mutated:
    numbers = [_number(arguments, key) for key in ("operand", "outer", "inner")]
    return dimensions.merge_dimensions(core, *numbers)


def _split_dimension(core: Scope, arguments: Arguments) -> Mutated:
    numbers = [_number(arguments, key) for key in ("operand", "dimension", "factor")]
    return dimensions.split_dimension(core, *numbers)


def _split_residues(core: Scope, arguments: Arguments) -> Mutated:
    which, dimension = _number(arguments, "operand"), _number(arguments, "dimension")
    return residues.split_residues(core, which, dimension)


def _stride_one(core: Scope, arguments: Arguments) -> Mutated:
    which, dimension = _number(arguments, "operand"), _number(arguments, "dimension")
    return strides.stride_one(core, which, dimension)


def _ungroup(core: Scope, arguments: Arguments) -> Mutated:
    return groups.ungroup(core, _name(core, arguments), _number(arguments, "filled"))


def _diagonal(core: Scope, arguments: Arguments) -> Mutated:
    return groups.diagonal(core, _name(core, arguments))


def _pool(core: Scope, arguments: Arguments) -> Mutated:
    channel = _number(arguments, "channel") if "channel" in arguments else None
    return pooling.pool_as_convolution(core, channel)


_MUTATIONS: Mapping[str, Callable[[Scope, Arguments], Mutated]] = {
    merging_borders.RULE: _merge_borders,
    splitting_carry.RULE: _split_carry,
    dimensions.MERGE: _merge_dimensions,
    dimensions.SPLIT: _split_dimension,
    residues.RULE: _split_residues,
    strides.RULE: _stride_one,
    groups.ZEROS: _ungroup,
    groups.DIAGONAL: _diagonal,
    pooling.RULE: _pool,
}
"""Every mutation of one operator; a step names it with its parameters."""
