"""Replay on other shapes: is a derivation found for one shape good for others, without a search?

For each row the derivation of what was found is recorded, written as JSON, read back, and replayed
on other sizes of batch, channels, filters and space; a quarter of them are smaller than the kernel.
Every plan is verified against its own start.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.measure import timed
from bench.rows import Row, plan_program, program_of
from bench.starts import Start
from einnet.expr.program import Definition, Program
from einnet.operators.target import Target
from einnet.search import state as states
from einnet.search.derivation import (
    Derivation,
    Replayed,
    find_match,
    from_json,
    instantiate,
    record,
    replay,
    to_json,
)
from einnet.search.state import State
from einnet.verify.equivalence import Equal, compare

SHAPES = 20
REPLAY_SECONDS = 0.020
VERIFIED_SECONDS = 0.500
SEED = 1


@dataclass(frozen=True)
class Shape:
    """One replay: the inputs' shapes, CPU seconds of the replay alone and with verification."""

    inputs: str
    seconds: float
    verified_seconds: float
    equal: bool
    notes: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True)
class Replays:
    """The replays of one row, and the limits that they missed."""

    name: str
    derivation: list[object]
    shapes: tuple[Shape, ...]
    short: tuple[str, ...]


def replay_row(row: Row, shapes: int = SHAPES, seed: int = SEED) -> Replays | None:
    """Record the row's derivation and replay it; None for a row without a derivation."""
    if row.operator is None or row.target is None or row.expected is None:
        return None
    found = next((d for d in row.cheapest().found if row.expected(d)), None)
    if found is None:
        return Replays(row.name, [], (), ("no derivation to replay",))
    start = row.operator.start
    written = json.dumps(to_json(record(start.scope, found.steps)))
    derivation = from_json(json.loads(written))
    short: list[str] = []
    here, there = replay(derivation, start.scope), states.replay(start.scope, found.steps)
    if instantiate(derivation, start.scope) != found.steps or here is None or there != here.state:
        short.append("the replay on its own shape is not what was found")
    results = tuple(
        _replay_on(derivation, other, row.target, row.materialise)
        for other in row.operator.others(shapes, seed)
    )
    for r in results:
        if r.problem:
            short.append(f"{r.inputs}: {r.problem}; {'; '.join(r.notes)}")
        if r.seconds > REPLAY_SECONDS:
            short.append(f"{r.inputs}: replay took {1e3 * r.seconds:.0f} ms")
        if r.verified_seconds > VERIFIED_SECONDS:
            short.append(f"{r.inputs}: verified replay took {1e3 * r.verified_seconds:.0f} ms")
    return Replays(row.name, to_json(derivation), results, tuple(short))


def _replay_on(derivation: Derivation, start: Start, target: Target, materialise: bool) -> Shape:
    reference = program_of(start)

    def plan_again() -> tuple[Replayed | None, Program | None]:
        replayed = replay(derivation, start.scope)
        if replayed is None:
            return None, None
        return replayed, _plan(replayed.state, reference, target, materialise)

    (replayed, plan), seconds = timed(plan_again)
    begin = time.process_time()
    verdict = None if plan is None else compare(reference, plan)
    verifying = time.process_time() - begin
    problem = ""
    if plan is None:
        problem = f"no match with {target.name}"
    elif not isinstance(verdict, Equal):
        problem = f"not shown equal: {verdict}"
    shapes = ", ".join(f"{t.name} {'x'.join(map(str, t.shape))}" for t in start.tensors)
    notes = () if replayed is None else replayed.notes
    equal = isinstance(verdict, Equal)
    return Shape(shapes, seconds, seconds + verifying, equal, notes, problem)


def _plan(state: State, reference: Program, target: Target, materialise: bool) -> Program | None:
    found = find_match(state, target, materialise=materialise)
    if found is not None:
        return plan_program(reference, found)
    if state.core.summation:
        return None
    # One tap of one channel is left: a product of elements, for which no library is needed.
    (result,) = reference.outputs
    return replace(reference, statements=(Definition(result, state.scope),))


def run(chosen: Sequence[Row]) -> list[Replays]:
    """Replay every row that can be, and print a line for each."""
    print(
        f"{'row':42s} {'steps':>5s} {'equal':>6s} {'adapted':>7s} {'worst ms':>8s} "
        f"{'verified':>8s}  derivation"
    )
    results: list[Replays] = []
    for row in chosen:
        r = replay_row(row)
        if r is None:
            continue
        equal = sum(s.equal for s in r.shapes)
        adapted = sum(bool(s.notes) for s in r.shapes)
        worst = max((s.seconds for s in r.shapes), default=0.0)
        verified = max((s.verified_seconds for s in r.shapes), default=0.0)
        print(
            f"{r.name:42s} {len(r.derivation):5d} {f'{equal}/{len(r.shapes)}':>6s} {adapted:7d} "
            f"{1e3 * worst:8.1f} {1e3 * verified:8.0f}  {json.dumps(r.derivation)}",
            flush=True,
        )
        results.append(r)
    return results
