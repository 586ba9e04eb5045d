"""The soundness benchmark: is the verifier right about faults and about correct rewrites?

    python -m bench.soundness                      10,000 seeded faults, 2,000 correct rewrites
    python -m bench.soundness --seed 7             others
    python -m bench.soundness --faults 1000 --rewrites 200
    python -m bench.soundness --kind corner        kinds whose name holds a text
    python -m bench.soundness --check              exit 1 and name what falls short

A dense oracle (`oracle.py`) that shares no code with the verifier judges every pair. A fault
(`faults.py`) changes one place of a correct plan (`rewrites.py`); where it happens to change no
value, the pair counts as an equal one. `wrongly accepted` are pairs that the oracle calls unequal
and the verifier equal, `wrongly rejected` the reverse; `misplaced` are refuted pairs whose position
is not one where they differ, or whose boxes leave out one that is. A verdict of "undecided" is
neither, and a miss where there are too many. `tested` are the positions that decided an equal pair,
as a share of all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum, auto
from itertools import count
from random import Random

import numpy as np

from bench import corrected, faults, oracle
from bench.command import Parser, at_least, output_file, written
from bench.oracle import Difference
from bench.rewrites import Rewrite, pool, random_walk
from einnet.expr.nodes import Call, factors_of
from einnet.expr.program import Definition, Program
from einnet.toolchain.doctor import environment
from einnet.verify.equivalence import Different, Equal, Undecided, compare

FAULTS = 10_000
REWRITES = 2_000
PLANS = 400
"""Plans of searches and programs that are drawn once; walks are drawn afresh for every pair."""

CORRECTION = "correction one row too small"
EXACT = "exact corrections"
WALKS = "correct rewrites"
FAULTY = (*faults.KINDS, CORRECTION, EXACT)
"""The kinds that --faults counts."""

UNDECIDED_SHARE = 0.02
"""Pairs of one kind that may be left undecided, equal and unequal ones apart."""


class Outcome(Enum):
    """What became of a pair, given what the oracle says."""

    REJECTED = auto()
    ACCEPTED = auto()
    WRONGLY_ACCEPTED = auto()
    WRONGLY_REJECTED = auto()
    MISPLACED = auto()
    UNDECIDED_UNEQUAL = auto()
    UNDECIDED_EQUAL = auto()


@dataclass(frozen=True)
class Pair:
    """A program, and one to compare it with; `name` and the seed find it again."""

    name: str
    reference: Program
    candidate: Program


@dataclass(frozen=True)
class Miss:
    """A pair on which the verifier is wrong."""

    name: str
    outcome: str
    verdict: str
    reference: str
    candidate: str


@dataclass(frozen=True)
class Row:
    """The pairs of one kind: how many, how many unequal, and what the verifier said of them.

    `positions` are those of the outputs of accepted pairs, `tested` those that decided them.
    """

    kind: str
    pairs: int
    unequal: int
    rejected: int
    wrongly_accepted: int
    wrongly_rejected: int
    misplaced: int
    undecided_unequal: int
    undecided_equal: int
    positions: int
    tested: int
    seconds: float
    misses: tuple[Miss, ...]

    @property
    def short(self) -> tuple[str, ...]:
        wrong = {
            "wrongly accepted": self.wrongly_accepted,
            "wrongly rejected": self.wrongly_rejected,
            "misplaced": self.misplaced,
        }
        undecided = {"unequal": self.undecided_unequal, "equal": self.undecided_equal}
        short = [f"{self.kind}: {n} {what}" for what, n in wrong.items() if n]
        short += [
            f"{self.kind}: {n} {what} pairs undecided"
            for what, n in undecided.items()
            if n > UNDECIDED_SHARE * self.pairs
        ]
        return tuple(short)


# Judging ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """The outcome of a pair, the verdict, CPU seconds of the verifier, positions if accepted."""

    outcome: Outcome
    verdict: str
    unequal: bool
    seconds: float
    positions: int = 0
    tested: int = 0


def judge(pair: Pair, seed: int) -> Judged:
    """Ask the oracle and the verifier."""
    wrong = difference(pair.reference, pair.candidate, seed)
    begin = time.process_time()
    verdict = compare(pair.reference, pair.candidate, seed=seed)
    seconds = time.process_time() - begin
    positions = tested = 0
    if isinstance(verdict, Undecided):
        outcome = Outcome.UNDECIDED_EQUAL if wrong is None else Outcome.UNDECIDED_UNEQUAL
    elif isinstance(verdict, Equal):
        outcome = Outcome.ACCEPTED if wrong is None else Outcome.WRONGLY_ACCEPTED
        positions = sum(int(np.prod(t.shape)) for t in pair.reference.outputs)
        names = {t.name for t in pair.reference.outputs}
        tested = sum(s.positions for s in verdict.certificate.segments if s.name in names)
    elif wrong is None:
        outcome = Outcome.WRONGLY_REJECTED
    else:
        located = _located(verdict, wrong, pair.reference)
        outcome = Outcome.REJECTED if located else Outcome.MISPLACED
    return Judged(outcome, str(verdict), wrong is not None, seconds, positions, tested)


def difference(reference: Program, candidate: Program, seed: int) -> Difference | None:
    """Where the oracle sees the programs differ."""
    left, right = (oracle.outputs(p, seed) for p in (reference, candidate))
    return oracle.first_difference(left, right)


def _located(verdict: Different, wrong: Difference, reference: Program) -> bool:
    """Whether the output and the position are wrong ones, and the boxes hold all wrong ones."""
    output = reference.outputs[wrong.output]
    at = (wrong.positions == np.array(verdict.position, np.int64)).all(axis=1)
    covered = np.zeros(output.shape, bool)
    for box in verdict.boxes:
        covered[tuple(slice(*s) for s in box)] = True
    return (
        verdict.output == output.name
        and bool(at.any())
        and bool(covered[tuple(wrong.positions.T)].all())
    )


# Pairs ------------------------------------------------------------------------------------------


def faulty_pairs(kind: str, plans: Sequence[Rewrite], seed: int) -> Iterator[Pair]:
    """Pairs without end of a program and a plan with one fault."""
    random = Random(f"{kind}:{seed}")
    while True:
        rewrite = _correct(plans, random)
        candidate = faults.seeded(rewrite.plan, faults.KINDS[kind], random)
        if candidate is not None:
            yield Pair(rewrite.source, rewrite.reference, candidate)


def corrected_pairs(plans: Sequence[Rewrite], seed: int, *, exact: bool) -> Iterator[Pair]:
    """Pairs without end of a program and a mutant of it that is corrected where it differs: on the
    smallest box that holds all those positions, or on that box without its first or last row.

    A linear program is corrected by itself at an output, any other in one of its plan's sums.
    """
    random = Random(f"corrections:{seed}")
    for number in count(seed):
        rewrite = _correct(plans, random)
        mutation = _mutated(rewrite, random)
        wrong = mutation and difference(mutation.reference, mutation.mutant, number)
        if mutation is None or wrong is None:
            continue
        lines = corrected.bounding_lines(wrong.positions)
        output = mutation.reference.outputs[wrong.output]
        if tuple(len(range(line.lo, line.hi, line.step)) for line in lines) == output.shape:
            continue
        lines = lines if exact else corrected.shrunk(lines, random)
        name = f"{rewrite.source}, {output.name} corrected on {lines}"
        if mutation.within:
            (faulty,) = [d for d in mutation.mutant.definitions if d.result == output]
            candidate = corrected.corrected_within(rewrite.plan, faulty, lines)
            yield Pair(name, rewrite.reference, candidate)
        else:
            alone = replace(mutation.reference, outputs=(output,))
            other = replace(mutation.mutant, outputs=(mutation.mutant.outputs[wrong.output],))
            candidate = corrected.corrected(alone, other, lines)
            yield Pair(name, alone, candidate)


@dataclass(frozen=True)
class _Mutation:
    """A program and one with a fault; `within` says that they are a plan up to one of its sums."""

    reference: Program
    mutant: Program
    within: bool


def _mutated(rewrite: Rewrite, random: Random) -> _Mutation | None:
    fault = faults.KINDS[random.choice(_LOCAL)]
    linear = [d for d in rewrite.plan.definitions if _is_linear(d)]
    if not linear:
        return None
    if len(linear) == len(rewrite.plan.definitions):
        mutant = faults.seeded(rewrite.plan, fault, random)
        return mutant and _Mutation(rewrite.reference, mutant, within=False)
    changed = random.choice(linear)
    reference = replace(rewrite.plan, outputs=(changed.result,))
    mutant = faults.seeded_in(reference, changed, fault, random)
    return mutant and _Mutation(reference, mutant, within=True)


def _is_linear(definition: Definition) -> bool:
    return not any(isinstance(f, Call) for f in factors_of(definition.scope.body))


_LOCAL = (
    "index off by one",
    "wrong padding",
    "dropped term",
    "one residue class wrong",
    "one corner or diagonal",
)
"""Kinds that often leave a part of the output right."""


def correct_pairs(plans: Sequence[Rewrite], seed: int) -> Iterator[Pair]:
    """Pairs without end of a program and what correct rules made of it."""
    random = Random(f"rewrites:{seed}")
    # Each plan once, among three times as many walks.
    for rewrite in plans:
        yield Pair(rewrite.source, rewrite.reference, rewrite.plan)
        for _ in range(3):
            walk = random_walk(random)
            yield Pair(walk.source, walk.reference, walk.plan)
    while True:
        walk = random_walk(random)
        yield Pair(walk.source, walk.reference, walk.plan)


def _correct(plans: Sequence[Rewrite], random: Random) -> Rewrite:
    return random.choice(plans) if random.random() < 0.5 else random_walk(random)


# The benchmark ----------------------------------------------------------------------------------


def run_row(kind: str, pairs: Iterator[Pair], number: int, seed: int) -> Row:
    """Judge so many pairs of one kind."""
    counts = dict.fromkeys(Outcome, 0)
    unequal = positions = tested = 0
    seconds = 0.0
    misses: list[Miss] = []
    for n in range(number):
        pair = next(pairs)
        judged = judge(pair, seed * number + n)
        counts[judged.outcome] += 1
        unequal += judged.unequal
        seconds += judged.seconds
        positions += judged.positions
        tested += judged.tested
        if judged.outcome not in (Outcome.REJECTED, Outcome.ACCEPTED):
            texts = (_text(p) for p in (pair.reference, pair.candidate))
            misses.append(Miss(pair.name, judged.outcome.name, judged.verdict, *texts))
    return Row(
        kind,
        number,
        unequal,
        counts[Outcome.REJECTED],
        counts[Outcome.WRONGLY_ACCEPTED],
        counts[Outcome.WRONGLY_REJECTED],
        counts[Outcome.MISPLACED],
        counts[Outcome.UNDECIDED_UNEQUAL],
        counts[Outcome.UNDECIDED_EQUAL],
        positions,
        tested,
        seconds,
        tuple(misses),
    )


def _text(program: Program) -> str:
    inputs = ", ".join(f"{t.name} {'x'.join(map(str, t.shape))}" for t in program.inputs)
    return "; ".join([inputs, *(f"{d.result.name} = {d.scope}" for d in program.definitions)])


def run(
    seed: int, number: int, rewrites: int, report: Callable[[Row], None], named: str = ""
) -> list[Row]:
    """Every kind of fault in equal parts, as many exact corrections as one kind has faults, and the
    correct rewrites; of these, the kinds whose name holds a text."""
    share = -(-number // (len(faults.KINDS) + 1))
    plans = pool(seed, max(min(PLANS, (number + rewrites) // 10), 10))
    kinds: list[tuple[str, Iterator[Pair], int]] = [
        (kind, faulty_pairs(kind, plans, seed), share) for kind in faults.KINDS
    ]
    kinds += [
        (CORRECTION, corrected_pairs(plans, seed, exact=False), share),
        (EXACT, corrected_pairs(plans, seed, exact=True), share),
        (WALKS, correct_pairs(plans, seed), rewrites),
    ]
    rows: list[Row] = []
    for kind, pairs, each in kinds:
        if each and named in kind:
            rows.append(run_row(kind, pairs, each, seed))
            report(rows[-1])
    return rows


def _print(row: Row) -> None:
    tested = f"{100 * row.tested / row.positions:.0f}%" if row.positions else ""
    print(
        f"{row.kind:30s} {row.pairs:6d} {row.unequal:7d} {row.rejected:8d} "
        f"{row.wrongly_accepted:8d} {row.wrongly_rejected:8d} {row.misplaced:9d} "
        f"{row.undecided_unequal:9d} {row.undecided_equal:6d} {tested:>7s} "
        f"{1e3 * row.seconds / row.pairs:6.1f}",
        flush=True,
    )


def _total(rows: Sequence[Row]) -> Row:
    """All rows together."""
    sums = {
        name: sum(getattr(row, name) for row in rows)
        for name in Row.__dataclass_fields__
        if name not in ("kind", "misses")
    }
    return Row(kind="all", misses=(), **sums)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser("bench.soundness", __doc__)
    number = at_least(0)
    parser.add_argument("--seed", type=number, default=0, help="what the pairs are drawn with")
    parser.add_argument("--faults", type=number, default=FAULTS, metavar="N", help="faults in all")
    parser.add_argument(
        "--rewrites", type=number, default=REWRITES, metavar="N", help="equal pairs"
    )
    parser.add_argument("--kind", default="", metavar="NAME", help="kinds whose name holds NAME")
    parser.add_argument("--check", action="store_true", help="exit 1 if something falls short")
    parser.add_argument(
        "--json", type=output_file, metavar="FILE", help="write the figures and misses to FILE"
    )
    options = parser.parse_args(arguments)
    parser.require(options.kind, [*FAULTY, WALKS], "kind")
    drawn = [*(FAULTY if options.faults else ()), *([WALKS] if options.rewrites else ())]
    if not any(options.kind in kind for kind in drawn):
        parser.error("no pairs to draw: --faults or --rewrites is 0")
    print(
        f"{'kind':30s} {'pairs':>6s} {'unequal':>7s} {'rejected':>8s} {'wrongly':>8s} "
        f"{'wrongly':>8s} {'misplaced':>9s} {'undecided':>16s} {'tested':>7s} {'ms':>6s}\n"
        f"{'':30s} {'':6s} {'':7s} {'':8s} {'accepted':>8s} {'rejected':>8s} {'':9s} "
        f"{'unequal':>9s} {'equal':>6s}"
    )
    rows = run(options.seed, options.faults, options.rewrites, _print, options.kind)
    _print(_total(rows))
    short = [s for row in rows for s in row.short]
    figures = {"seed": options.seed, "rows": [asdict(r) for r in rows]}
    if not written(options.json, {"environment": environment(), **figures}):
        return 1
    if short:
        print("\nfalls short:", *short, sep="\n  ")
    return 1 if short and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
