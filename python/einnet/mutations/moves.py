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
    require,
    sliding,
)
from einnet.rules.rewrite import NotApplicable, Parameter, Step
from einnet.rules.unit_factor import is_reduction
from einnet.rules.variable_substitution import find

Arguments = Mapping[str, Parameter]

_MOST = 2**31
"""No dimension has more elements."""


def apply(mutant: Mutant, step: Step) -> Mutant:
    """The mutant with one more step. Raises NotApplicable where the mutation refuses, for a step
    that is no mutation, and for parameters that are missing, malformed or out of range."""
    require(step.rule in _MUTATIONS, f"there is no mutation {step.rule}")
    require(
        is_core(mutant.core) or is_reduction(mutant.core),
        f"{step.rule} takes a product of two operands, or a sum of one",
    )
    mutation, _ = _MUTATIONS[step.rule]
    return mutant.then(mutation(mutant.core, step.arguments), step)


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


def _number(arguments: Arguments, key: str, least: int, most: int) -> int:
    """The parameter, an integer in these bounds. Raises NotApplicable for anything else."""
    value = arguments.get(key)
    require(isinstance(value, int), f"{key} is not given as a number")
    assert isinstance(value, int)
    require(least <= value <= most, f"{key} is from {least} to {most}, not {value}")
    return value


def _name(core: Scope, arguments: Arguments) -> str:
    value = arguments.get("iterator")
    require(isinstance(value, str), "iterator is not given as a name")
    assert isinstance(value, str)
    return find(core, value).name


def _which(core: Scope, arguments: Arguments) -> int:
    return _number(arguments, "operand", 0, len(core.term.reads) - 1)


def _dimension(core: Scope, which: int, arguments: Arguments, key: str = "dimension") -> int:
    return _number(arguments, key, 0, len(operand(core, which).index) - 1)


def _merge_borders(core: Scope, arguments: Arguments) -> Mutated:
    which = _which(core, arguments)
    outer, inner = (_dimension(core, which, arguments, key) for key in ("outer", "inner"))
    gap = _number(arguments, "gap", 0, _MOST)
    return merging_borders.merge_borders(core, which, outer, inner, gap)


def _split_carry(core: Scope, arguments: Arguments) -> Mutated:
    which = _which(core, arguments)
    dimension = _dimension(core, which, arguments)
    tile, halo = _number(arguments, "tile", 1, _MOST), _number(arguments, "halo", 0, 1)
    return splitting_carry.split_carry(core, which, dimension, tile, bool(halo))


def _merge_dimensions(core: Scope, arguments: Arguments) -> Mutated:
    which = _which(core, arguments)
    outer, inner = (_dimension(core, which, arguments, key) for key in ("outer", "inner"))
    return dimensions.merge_dimensions(core, which, outer, inner)


def _split_dimension(core: Scope, arguments: Arguments) -> Mutated:
    which = _which(core, arguments)
    dimension = _dimension(core, which, arguments)
    return dimensions.split_dimension(
        core, which, dimension, _number(arguments, "factor", 1, _MOST)
    )


def _split_residues(core: Scope, arguments: Arguments) -> Mutated:
    which = _which(core, arguments)
    return residues.split_residues(core, which, _dimension(core, which, arguments))


def _stride_one(core: Scope, arguments: Arguments) -> Mutated:
    which = _which(core, arguments)
    return strides.stride_one(core, which, _dimension(core, which, arguments))


def _ungroup(core: Scope, arguments: Arguments) -> Mutated:
    return groups.ungroup(core, _name(core, arguments), _number(arguments, "filled", 0, 1))


def _diagonal(core: Scope, arguments: Arguments) -> Mutated:
    return groups.diagonal(core, _name(core, arguments))


def _pool(core: Scope, arguments: Arguments) -> Mutated:
    channel = _dimension(core, 0, arguments, "channel") if "channel" in arguments else None
    return pooling.pool_as_convolution(core, channel)


_Mutation = Callable[[Scope, Arguments], Mutated]

_MUTATIONS: Mapping[str, tuple[_Mutation, tuple[str, ...]]] = {
    merging_borders.RULE: (_merge_borders, ("operand", "outer", "inner", "gap")),
    splitting_carry.RULE: (_split_carry, ("operand", "dimension", "tile", "halo")),
    dimensions.MERGE: (_merge_dimensions, ("operand", "outer", "inner")),
    dimensions.SPLIT: (_split_dimension, ("operand", "dimension", "factor")),
    residues.RULE: (_split_residues, ("operand", "dimension")),
    strides.RULE: (_stride_one, ("operand", "dimension")),
    groups.ZEROS: (_ungroup, ("filled",)),
    groups.DIAGONAL: (_diagonal, ()),
    pooling.RULE: (_pool, ("channel",)),
}
"""Every mutation of one operator, and which parameters of it are numbers; a step names it with its
parameters."""

PARAMETERS: Mapping[str, tuple[str, ...]] = {name: own for name, (_, own) in _MUTATIONS.items()}
"""The parameters of each mutation that are numbers."""
