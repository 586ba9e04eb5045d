"""The search benchmark: does the derivation engine find what it must, how soon, and is it right?

    python -m bench.search                 the table of `rows.py`
    python -m bench.search --row conv      rows whose name holds a text
    python -m bench.search --ablation      the same rows blind against converging
    python -m bench.search --holdout 7     40 variants drawn with a seed, see `holdout.py`
    python -m bench.search --replay        derivations on other shapes, see `replay.py`
    python -m bench.search --check         exit 1 and name what falls short (also with the others)

Seconds are CPU seconds of this process, the best of three runs, since the machine may be shared:
other work can make a run longer, never shorter. Every run starts with empty caches, so that no row
helps another. The states visited beside them are deterministic.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench import holdout, programs, replay
from bench.command import Parser, at_least, output_file, written
from bench.measure import Verified, timed, verify
from bench.rows import Bounds, Derived, Operator, Outcome, Row, rows, targets
from einnet.operators.contraction import Match, estimate
from einnet.operators.cost import CPU
from einnet.operators.target import Target
from einnet.search.converge import search
from einnet.toolchain.doctor import environment

ALL_TARGETS_SECONDS = 2.0


@dataclass(frozen=True)
class Report:
    """What one row did; `short` are the limits that it missed, in words."""

    name: str
    first_visited: int
    first_seconds: float
    visited: int
    generated: int
    duplicates: int
    seconds: float
    found: str
    verified: Verified
    published: str
    short: tuple[str, ...]


def table() -> tuple[Row, ...]:
    """All rows: of one product of two tensors, and over several operators."""
    return rows() + programs.rows()


def run_row(row: Row) -> Report:
    """Search and verify one row."""
    first, first_seconds = timed(row.first)
    best, seconds = timed(row.cheapest)
    wanted = _wanted(row, best)
    early = _wanted(row, first)
    shown = wanted[0].text if wanted else "given up" if row.expected is None else "NOT FOUND"
    # The first match is a plan of its own.
    verified = verify(row.reference, [*early[:1], *best.found])
    short = [*_missed(row, early, wanted, first, best, first_seconds, seconds)]
    if verified.equal < verified.compared:
        short.append(f"{verified.compared - verified.equal} plans were not shown equal")
    return Report(
        row.name,
        first.visited,
        first_seconds,
        best.visited,
        best.generated,
        best.duplicates,
        seconds,
        shown,
        verified,
        row.published,
        tuple(short),
    )


def _wanted(row: Row, outcome: Outcome) -> list[Derived]:
    return [d for d in outcome.found if row.expected is not None and row.expected(d)]


def _missed(
    row: Row,
    early: list[Derived],
    wanted: list[Derived],
    first: Outcome,
    best: Outcome,
    first_seconds: float,
    seconds: float,
) -> list[str]:
    bounds: Bounds = row.bounds
    if row.expected is None:
        missed = [_over("time to give up", seconds, bounds.given_up, "s")]
        if best.found:
            missed.append(f"found {best.found[0].text}, which should be out of reach")
    else:
        missed = [
            "" if early else "the first match is not what is wanted",
            "" if wanted else "not found",
            _over("first match", first.visited, bounds.first_visited, "visited"),
            _over("first match", first_seconds, bounds.first_seconds, "s"),
            _over("cheapest", best.visited, bounds.visited, "visited"),
            _over("cheapest", seconds, bounds.seconds, "s"),
        ]
    return [m for m in missed if m]


def _over(what: str, value: float, limit: float, unit: str) -> str:
    shown = f"{value:.3f}" if unit == "s" else f"{value:.0f}"
    return f"{what} {shown} > {limit:g} {unit}" if value > limit else ""


@dataclass(frozen=True)
class Sweep:
    """One operator against every target: CPU seconds for all, the slowest that is out of reach."""

    name: str
    seconds: float
    visited: int
    reached: tuple[str, ...]
    given_up_seconds: float
    short: tuple[str, ...]


def run_sweep(operator: Operator) -> Sweep:
    """All targets of one operator."""
    start = operator.start

    def cost(match: Match) -> float:
        return estimate(match, CPU, start.weights)

    total, visited, given_up = 0.0, 0, 0.0
    reached: list[str] = []
    for target in targets(operator.rank):
        result, seconds = timed(lambda t=target: search(start.scope, cost, None, t))
        visited += result.visited
        if result.found:
            reached.append(_named(target))
        else:
            given_up = max(given_up, seconds)
    # In one run the targets share states, as they do in a compilation.
    together = [*targets(operator.rank)]
    _, total = timed(lambda: [search(start.scope, cost, None, t) for t in together])
    short = (
        _over("all targets", total, ALL_TARGETS_SECONDS, "s"),
        _over("giving up", given_up, Bounds().given_up, "s"),
    )
    return Sweep(
        operator.name, total, visited, tuple(reached), given_up, tuple(s for s in short if s)
    )


def _named(target: Target) -> str:
    """The target's name, and what tells it from another of that name."""
    pair = target.pairs[0] if target.pairs else None
    own = " with stride and dilation" if pair is not None and pair.strided else ""
    grouped = " grouped" if pair is not None and pair.x == "m" and not target.forbids else ""
    return target.name + own + grouped


def operators_of(chosen: Sequence[Row]) -> list[Operator]:
    """The operators of some rows, each once."""
    return list({row.operator.name: row.operator for row in chosen if row.operator}.values())


def _run_table(chosen: Sequence[Row]) -> list[Report]:
    print(
        f"{'row':42s} {'first':>5s} {'ms':>5s} {'best':>5s} {'gen':>5s} {'dup':>4s} {'ms':>5s} "
        f"{'equal':>7s} {'ms':>6s}  found (EinNet: seconds, states)"
    )
    reports: list[Report] = []
    for row in chosen:
        r = run_row(row)
        v = r.verified
        published = f"  ({r.published})" if r.published else ""
        print(
            f"{r.name:42s} {r.first_visited:5d} {1e3 * r.first_seconds:5.0f} {r.visited:5d} "
            f"{r.generated:5d} {r.duplicates:4d} {1e3 * r.seconds:5.0f} "
            f"{f'{v.equal}/{v.compared}':>7s} {1e3 * v.seconds:6.0f}  {r.found}{published}"
            f"{_short(r.short)}",
            flush=True,
        )
        reports.append(r)
    return reports


def _run_sweeps(chosen: Sequence[Row]) -> list[Sweep]:
    print(f"\n{'operator, all targets':42s} {'visits':>6s} {'ms':>5s} {'give up ms':>10s}  reached")
    sweeps: list[Sweep] = []
    for operator in operators_of(chosen):
        s = run_sweep(operator)
        print(
            f"{s.name:42s} {s.visited:6d} {1e3 * s.seconds:5.0f} {1e3 * s.given_up_seconds:10.0f}  "
            f"{', '.join(s.reached)}{_short(s.short)}",
            flush=True,
        )
        sweeps.append(s)
    return sweeps


def _short(short: Sequence[str]) -> str:
    return f"  SHORT: {'; '.join(short)}" if short else ""


@dataclass(frozen=True)
class Ablation:
    """States and seconds until the first match, converging and blind, and the match's steps."""

    name: str
    visited: int
    seconds: float
    steps: int
    blind_found: bool
    blind_visited: int
    blind_generated: int
    blind_duplicates: int
    blind_seconds: float
    blind_steps: int
    short: tuple[str, ...] = ()


def _run_ablation(chosen: Sequence[Row]) -> list[Ablation]:
    print(
        f"{'row':42s} {'converging':>10s} {'ms':>5s} {'steps':>5s}   "
        f"{'blind':>6s} {'generated':>9s} {'duplicates':>10s} {'ms':>6s} {'steps':>5s}"
    )
    results: list[Ablation] = []
    for row in chosen:
        if row.blind is None or row.expected is None:
            continue
        first, seconds = timed(row.first, 1)
        blind, blind_seconds = timed(row.blind, 1)
        a = Ablation(
            row.name,
            first.visited,
            seconds,
            len(first.found[0].steps) if first.found else 0,
            bool(blind.found),
            blind.visited,
            blind.generated,
            blind.duplicates,
            blind_seconds,
            len(blind.found[0].steps) if blind.found else 0,
        )
        reached = f"{a.blind_steps:5d}" if a.blind_found else "  NOT"
        print(
            f"{a.name:42s} {a.visited:10d} {1e3 * a.seconds:5.0f} {a.steps:5d}   "
            f"{a.blind_visited:6d} {a.blind_generated:9d} {a.blind_duplicates:10d} "
            f"{1e3 * a.blind_seconds:6.0f} {reached}",
            flush=True,
        )
        results.append(a)
    return results


def _parser() -> Parser:
    parser = Parser("bench.search", __doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 if something falls short")
    parser.add_argument("--row", default="", metavar="NAME", help="rows whose name holds NAME")
    parser.add_argument(
        "--json", type=output_file, metavar="FILE", help="write the figures to FILE"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--holdout", type=at_least(0), metavar="SEED", help="variants drawn with SEED"
    )
    kind.add_argument("--replay", action="store_true", help="derivations on other shapes")
    kind.add_argument("--ablation", action="store_true", help="blind against converging")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.row and options.holdout is not None:
        parser.error("--row names rows of the table, and --holdout draws variants of its own")
    parser.require(options.row, [row.name for row in table()], "row")
    chosen = [row for row in table() if options.row in row.name]
    short: list[str]
    if options.holdout is not None:
        held_out = holdout.run(options.holdout)
        figures: object = asdict(held_out)
        short = list(held_out.short)
    elif options.replay:
        replays = replay.run(chosen)
        figures = [asdict(r) for r in replays]
        short = [f"{r.name}: {s}" for r in replays for s in r.short]
    elif options.ablation:
        figures, short = [asdict(a) for a in _run_ablation(chosen)], []
    else:
        reports, sweeps = _run_table(chosen), _run_sweeps(chosen)
        figures = {
            "rows": [asdict(r) for r in reports],
            "operators": [asdict(s) for s in sweeps],
        }
        short = [f"{r.name}: {s}" for r in [*reports, *sweeps] for s in r.short]
    if not written(options.json, {"environment": environment(), "figures": figures}):
        return 1
    if short:
        print("\nfalls short:", *short, sep="\n  ")
    return 1 if short and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
