"""The moves of the search: sequences of rule applications, with parameters read off the expression.

A *repair* addresses one obstacle between the expression and a target (converging derivation); the
explorative strategy applies every move everywhere. Factors are the strides, divisors and extents
that occur in the expression; no operator and no constant list is named here. A composite move
groups the steps of a repair whose first step alone would lead away from the target.
"""

from __future__ import annotations

from itertools import chain

from einnet.expr.index import Index, Var, iterators_of, linear, var
from einnet.expr.nodes import Residue, Scope
from einnet.rules.rewrite import Step
from einnet.search.distance import BadPart, Obstacle, divisions
from einnet.search.state import reflect, shift, skew, split, split_summation

Move = tuple[Step, ...]


def repairs(core: Scope, obstacle: Obstacle) -> list[Move]:
    """Moves that address one obstacle, composite ones first."""
    if isinstance(obstacle, BadPart):
        extent = None if obstacle.pair is None else obstacle.pair.extent
        return _unique(_part_moves(core, obstacle.part, extent))
    guard = obstacle.guard
    moves: list[Move] = []
    if isinstance(guard, Residue):
        extents = _extents(core)
        wide = sorted(n for n in obstacle.iterators if extents[n] > guard.modulus)
        if len(wide) > 1:
            moves.append(tuple(split(n, guard.modulus) for n in wide))
        moves += [(split(n, guard.modulus),) for n in wide]
    sums = {i.name for i in core.summation}
    moves += [(split_summation(n),) for n in sorted(obstacle.iterators & sums)]
    moves += _skews(core, guard.index)
    return _unique(moves)


def all_moves(core: Scope) -> list[Move]:
    """Every move that any rule offers on the core."""
    moves: list[Move] = []
    factors: set[int] = set()
    for index in _indices(core):
        factors |= {abs(c) for _, c in index.terms}
        factors |= {d.divisor for d in divisions(index)}
        if len(iterators_of(index)) > 1:
            moves += _part_moves(core, linear(0, index.terms), None)
    factors |= {g.modulus for g in core.term.guards if isinstance(g, Residue)}
    moves += [(split_summation(i.name),) for i in core.summation]
    for iterator in core.traversal + core.summation:
        moves += [(split(iterator.name, k),) for k in sorted(factors) if 1 < k < iterator.extent]
        moves.append((reflect(iterator.name),))
    return _unique(moves)


def _part_moves(core: Scope, part: Index, window: int | None) -> list[Move]:
    """Moves on one part; `window` is the extent of the sum that a target would have there."""
    sums = {i.name for i in core.summation}
    extents = _extents(core)
    moves: list[Move] = [] if window is None else _shorten(core, part, window)
    for division in divisions(part):
        wide = [
            atom.name
            for atom, c in division.operand.terms
            if isinstance(atom, Var)
            and c % division.divisor
            and extents[atom.name] > division.divisor
        ]
        if len(wide) > 1:
            moves.append(tuple(split(n, division.divisor) for n in wide))
    groups = [(part, 1)] + [(d.operand, d.divisor) for d in divisions(part)]
    for terms, divisor in groups:
        moves += _skews(core, terms)
        names = [atom.name for atom, _ in terms.terms if isinstance(atom, Var)]
        moves += [(split_summation(n),) for n in names if n in sums]
        factors = {abs(c) for _, c in terms.terms} | {divisor}
        if window is not None:
            factors.add(window)
        for atom, c in terms.terms:
            if isinstance(atom, Var):
                usable = [
                    k
                    for k in sorted(factors)
                    if 1 < k < extents[atom.name] and (c % k or (k == window and atom.name in sums))
                ]
                moves += [(split(atom.name, k),) for k in usable]
                if atom.name in sums and c == divisor == 1:
                    moves += _aligned(core, part, atom.name, usable)
        if divisor == 1 and len(terms.terms) == 2:
            moves += [
                (reflect(atom.name),) for atom, c in terms.terms if c < 0 and isinstance(atom, Var)
            ]
    return moves


def _aligned(core: Scope, part: Index, name: str, factors: list[int]) -> list[Move]:
    """Splits of a sum after a shift that lets blocks start at multiples of the factor: the part's
    constant, such as a padding, then is a number of whole blocks."""
    names = iterators_of(part)
    offsets = {e.const for r in core.term.reads for e in r.index if names <= iterators_of(e)}
    return [
        (shift(name, offset % k), split(f"{name}.o", k))
        for k in factors
        for offset in sorted(offsets)
        if offset % k
    ]


def _shorten(core: Scope, part: Index, window: int) -> list[Move]:
    """Shorten the sum in a two-term part to `window`: split it, move the quotient out, and let the
    traversal iterator beside it take the quotient in."""
    sums = {i.name: i for i in core.summation}
    moves: list[Move] = []
    for (x, cx), (y, cy) in (part.terms, part.terms[::-1]):
        if not isinstance(x, Var) or not isinstance(y, Var) or x.name in sums or abs(cx) != 1:
            continue
        if y.name in sums and sums[y.name].extent > window:
            quotient = f"{y.name}.q"
            shifted = var(x.name) + var(quotient) * (cx * cy * window)
            moves.append(
                (
                    split(y.name, window),
                    split_summation(quotient),
                    skew(x.name, str(shifted)),
                )
            )
    return moves


def _skews(core: Scope, index: Index) -> list[Move]:
    """Replace all traversal terms of an index together by one iterator, for each possible pivot."""
    traversal = {i.name for i in core.traversal}
    kept = linear(
        0, ((a, c) for a, c in index.terms if iterators_of(linear(0, [(a, 1)])) <= traversal)
    )
    if len(kept.terms) < 2:
        return []
    moves: list[Move] = []
    for atom, c in kept.terms:
        if isinstance(atom, Var) and abs(c) == 1:
            rest = kept - linear(0, [(atom, c)])
            if atom.name not in iterators_of(rest):
                moves.append((skew(atom.name, str(kept * c)),))
    return moves


def _indices(core: Scope) -> list[Index]:
    reads = chain.from_iterable(read.index for read in core.term.reads)
    return [*reads, *(g.index for g in core.term.guards)]


def _extents(core: Scope) -> dict[str, int]:
    return {i.name: i.extent for i in core.traversal + core.summation}


def _unique(moves: list[Move]) -> list[Move]:
    return list(dict.fromkeys(moves))
