"""Chains: which moves their members share, in what order these are judged, and windows of one tap
that are moved with the others."""

from __future__ import annotations

from dataclasses import replace

from definitions import chain

from einnet.corrections.recompute import program_of
from einnet.expr.program import Definition, Program
from einnet.mutations.chains import (
    Chain,
    Moves,
    is_proved,
    moved_alike,
    moves_of,
    shared_moves,
    with_shared_windows,
)
from einnet.mutations.generate import Corrected, Found, corrected
from einnet.operators.cost import CPU

PROGRAM = chain(
    "L<n:2,f:4,h:7> S<c:3,r:3> X[n,c,h+r-1] * W[f,c,r]",
    "L<n:2,f:4,h:7> relu(t0[n,f,h])",
    "L<n:2,f:5,h:7> S<c:4,r:5> t1[n,c,h+r-2] * V[f,c,r]",
    "L<n:2,f:5,h:7> relu(t2[n,f,h])",
    "L<n:2,f:3,h:7> S<c:5> t3[n,c,h] * U[f,c,0]",
    inputs={"X": (2, 3, 7), "W": (4, 3, 3), "V": (5, 4, 5), "U": (3, 5, 1)},
    weights=("W", "V", "U"),
)
SEAM = "merge-borders(operand=0, outer=0, inner=2, gap=0)"


def members(*names: str) -> tuple[Definition, ...]:
    return tuple(d for d in PROGRAM.definitions if d.result.name in names)


def chain_of(definitions: tuple[Definition, ...], program: Program) -> Chain:
    return Chain(definitions, lambda _: program, program.weights, CPU)


def own_moves(definitions: tuple[Definition, ...]) -> list[dict[Moves, Found]]:
    return [moves_of(d, PROGRAM.weights, CPU) for d in definitions]


def judged(found: Found) -> Corrected | None:
    (original,) = found.originals
    return corrected(found, program_of([original], original.result), PROGRAM.weights, CPU)


def test_only_moves_of_all_members_are_shared():
    first, second = own_moves(members("t0", "t2"))
    shared = shared_moves([first, second])
    assert (SEAM,) in shared
    # Their windows reach one and two elements: gaps that leave nothing to correct differ.
    assert set(shared) == set(first) & set(second) != set(first)
    assert all(len(alike) == 2 for alike in shared.values())


def test_a_window_of_one_tap_has_the_others_sum():
    alone = members("t4")
    wide = with_shared_windows(members("t0", "t2", "t4"))
    assert not own_moves(alone)[0]
    assert [len(d.scope.summation) for d in wide] == [2, 2, 2]
    assert wide[:2] == members("t0", "t2")
    assert (SEAM,) in shared_moves(own_moves(wide))


def test_what_does_not_correspond_stays_as_it_is():
    vectors = chain(
        "L<n:2,f:4,h:7> S<c:3,r:3> X[n,c,h+r-1] * W[f,c,r]",
        "L<n:2,f:5> S<f1:4,h:7> t0[n,f1,h] * V[f,f1,h] * V[f,f1,h]",
        inputs={"X": (2, 3, 7), "W": (4, 3, 3), "V": (5, 4, 7)},
    ).definitions
    assert with_shared_windows(vectors) == vectors


def test_the_widest_gaps_are_judged_though_they_are_not_the_cheapest():
    definitions = members(
        "t0",
    )
    program = program_of(definitions, definitions[0].result)
    own = own_moves(definitions)
    seen: list[str] = []

    def noted(found: Found) -> Corrected | None:
        seen.append(str(found.steps[-1]))
        return judged(found)

    moved = moved_alike(chain_of(definitions, program), shared_moves(own), noted, 2)
    assert len(seen) == 2
    gapless = [one for one in seen if "gap=0" in one or "halo=0" in one]
    assert len(gapless) == 1, "one that leaves a gap or a halo, and one that does not"
    assert [m.estimate for m in moved] == sorted(m.estimate for m in moved)
    assert {bool(m.wrong) for m in moved} == {False, True}


def test_a_chain_above_the_limit_is_not_judged():
    definitions = members("t0", "t2")
    program = program_of(PROGRAM.definitions[:3], definitions[1].result)
    program = replace(program, weights=PROGRAM.weights)
    shared = shared_moves(own_moves(definitions))

    def never(_: Found) -> Corrected | None:
        raise AssertionError("it was judged")

    assert moved_alike(chain_of(definitions, program), shared, never, 3, 0.0) == []


def test_a_moved_chain_with_its_corrections_is_proved():
    definitions = with_shared_windows(members("t0", "t2", "t4"))
    program = replace(
        program_of(PROGRAM.definitions, definitions[-1].result), weights=PROGRAM.weights
    )
    whole = chain_of(definitions, program)
    moved = moved_alike(whole, shared_moves(own_moves(definitions)), judged, 3)
    assert moved and all(is_proved(whole, one) for one in moved)
    assert any(one.wrong for one in moved)
