"""Records of measured rows, and whether they reach what they must. Pure: needs no GPU.

A row's peer is its fastest correct one. The row counts if that peer took at most 15 % more than
what the same library took in the baseline (`cases.py`, `models.py`): slower, and the machine or
the peer's setup was at fault, and a ratio would say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from math import exp, log
from statistics import median
from typing import Any

from bench.contender import Error
from einnet.runtime.cuda.timing import GpuSamples, wins

PEER_SLACK = 1.15

OPERATORS_GEOMEAN = {"tf32": 1.7, "fp16": 2.0}
MODELS_GEOMEAN = 2.2
MODELS_LEAST = 1.6
KERNEL_SHARES = {"copy": 0.85, "transpose": 0.75}
OFFSET_ADD_SLACK = 1.3


@dataclass(frozen=True)
class Timed:
    """One contender of a row: microseconds a call with a warm and with a flushed L2 cache.

    `error` is None if the result has a wrong shape or elements that are not finite; `cold` is empty
    for what the host times. `candidates` are our median microseconds by candidate, `algorithms`
    those of our library calls.
    """

    name: str
    ours: bool
    hot: tuple[float, ...]
    cold: tuple[float, ...]
    error: Error | None
    provenance: str = ""
    candidates: dict[str, float] = field(default_factory=dict[str, float])
    compile_seconds: float | None = None
    algorithms: tuple[str, ...] = ()

    def median(self, *, cold: bool = False) -> float | None:
        """None if there are no samples."""
        samples = self.cold if cold else self.hot
        return median(samples) if samples else None


@dataclass(frozen=True)
class Row:
    """One operator or model in one precision, on one GPU.

    `baseline` and `roof` are microseconds: what the best peer took in the baseline (None if there
    is none), and what the hardware allows. `decides` marks the rows of the geometric mean.
    `launch` is what an empty kernel takes, where it was measured.
    """

    table: str
    name: str
    precision: str
    decides: bool
    baseline: float | None
    roof: float
    tolerance: float
    timed: tuple[Timed, ...]
    notes: tuple[str, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict[str, Any])
    launch: float | None = None

    @property
    def label(self) -> str:
        return f"{self.name} {self.precision}"

    def correct(self, timed: Timed) -> bool:
        return timed.error is not None and timed.error.within(self.tolerance)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Row:
        """Raises KeyError or TypeError for anything that `to_json` does not write."""
        fields: dict[str, Any] = {**data, "notes": tuple(data["notes"])}
        fields["timed"] = tuple(_timed(t) for t in data["timed"])
        return Row(**fields)


def _timed(data: dict[str, Any]) -> Timed:
    fields: dict[str, Any] = {**data, "hot": tuple(data["hot"]), "cold": tuple(data["cold"])}
    fields["error"] = None if data["error"] is None else Error(**data["error"])
    fields["algorithms"] = tuple(data.get("algorithms", ()))
    return Timed(**fields)


def fastest(row: Row, *, ours: bool, cold: bool = False) -> Timed | None:
    """The fastest correct contender of one side."""
    found = [t for t in row.timed if t.ours == ours and row.correct(t)]
    timed = [(s, i) for i, t in enumerate(found) if (s := t.median(cold=cold)) is not None]
    return found[min(timed)[1]] if timed else None


def ratio(row: Row, *, cold: bool = False) -> float | None:
    """How many times faster ours is than the best peer; None if a side is missing."""
    ours, peer = (fastest(row, ours=side, cold=cold) for side in (True, False))
    if ours is None or peer is None:
        return None
    mine, other = ours.median(cold=cold), peer.median(cold=cold)
    return None if mine is None or other is None else other / mine


def is_slower(row: Row) -> bool:
    """Whether the best peer beats our best beyond noise, as candidates are compared."""
    ours, peer = (fastest(row, ours=side) for side in (True, False))
    return (
        ours is not None
        and peer is not None
        and len(ours.hot) == len(peer.hot)
        and wins(GpuSamples(peer.hot), GpuSamples(ours.hot))
    )


def reason_not_to_count(row: Row) -> str:
    """Why a row does not count; "" if it does."""
    peer = fastest(row, ours=False)
    taken = peer.median() if peer is not None else None
    if peer is None or taken is None:
        return "no peer ran and was right"
    if row.baseline is None:
        return "there is no baseline in this precision"
    if taken > PEER_SLACK * row.baseline:
        return (
            f"its best peer, {peer.name}, took {taken:.1f} us, "
            f"{taken / row.baseline - 1:.0%} more than the baseline"
        )
    return ""


def geomean(values: Iterable[float]) -> float:
    """The geometric mean; 0 of nothing."""
    logs = [log(v) for v in values]
    return exp(sum(logs) / len(logs)) if logs else 0.0


def wrong_results(rows: Iterable[Row]) -> list[str]:
    """Every contender of ours that is not within the tolerance."""
    return [
        f"{row.label}: {t.name} is wrong, {_shown_error(t.error)} (allowed {row.tolerance:.1e})"
        for row in rows
        for t in row.timed
        if t.ours and not row.correct(t)
    ]


def _shown_error(error: Error | None) -> str:
    if error is None:
        return "of another shape or not finite"
    return f"norm {error.norm:.1e}, largest {error.largest:.1e}"


@dataclass(frozen=True)
class Verdict:
    """`lines` to print (means, shares, rows that do not count); `short` is what falls short."""

    lines: tuple[str, ...]
    short: tuple[str, ...]


def judge_operators(rows: Sequence[Row], deciding: Sequence[str]) -> Verdict:
    """No counting row below the best peer beyond noise; geometric means over `deciding` rows."""
    lines, short = _common(rows)
    for row in rows:
        value = ratio(row)
        if value is not None and not reason_not_to_count(row) and is_slower(row):
            short.append(f"{row.label}: {value:.2f}x, slower than the best peer beyond noise")
    for precision, bar in OPERATORS_GEOMEAN.items():
        measured = [r for r in rows if r.precision == precision]
        if measured:
            chosen = [r for r in measured if r.name in deciding]
            _mean(f"operators {precision}", chosen, len(deciding), bar, lines, short)
            lines.append(_share(f"operators {precision}", measured))
    return Verdict(tuple(lines), tuple(short))


def judge_models(rows: Sequence[Row], expected: int) -> Verdict:
    """Geometric mean over all `expected` rows, and none far below it."""
    lines, short = _common(rows)
    for row in rows:
        value = ratio(row)
        if value is not None and not reason_not_to_count(row) and value < MODELS_LEAST:
            short.append(f"{row.label}: {value:.2f}x < {MODELS_LEAST}x")
    _mean("models", rows, expected, MODELS_GEOMEAN, lines, short)
    lines.append(_share("models", rows))
    return Verdict(tuple(lines), tuple(short))


def judge_kernels(rows: Sequence[Row]) -> Verdict:
    """Shares of a copy's bandwidth for the larger rows of a kind, offset-adds by their floor.

    `Row.table` is the kind; `Row.roof` the time of the bytes.
    """
    short = wrong_results(rows)
    for row in rows:
        mine = fastest(row, ours=True)
        taken, share = None if mine is None else mine.median(), ratio(row)
        if taken is None or share is None:
            short.append(f"{row.label}: nothing of ours ran")
        elif row.table in KERNEL_SHARES and row.decides and share < KERNEL_SHARES[row.table]:
            short.append(f"{row.label}: {share:.0%} of a copy's < {KERNEL_SHARES[row.table]:.0%}")
        elif row.table == "offset-add":
            floor = row.roof + (row.launch or 0.0)
            if taken > OFFSET_ADD_SLACK * floor:
                short.append(
                    f"{row.label}: {taken:.1f} us > {OFFSET_ADD_SLACK} * {floor:.1f} us of bytes "
                    "and launch"
                )
    return Verdict((), tuple(short))


def _common(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    lines = [
        f"{row.label} does not count: {reason}"
        for row in rows
        if (reason := reason_not_to_count(row))
    ]
    short = wrong_results(rows)
    short += [
        f"{row.label}: nothing of ours ran" for row in rows if not any(t.ours for t in row.timed)
    ]
    return lines, short


def _mean(
    what: str, rows: Sequence[Row], expected: int, bar: float, lines: list[str], short: list[str]
) -> None:
    counted = [r for r in rows if not reason_not_to_count(r)]
    hot = [v for r in counted if (v := ratio(r)) is not None]
    cold = [v for r in counted if (v := ratio(r, cold=True)) is not None]
    if len(hot) < expected:
        short.append(f"{what}: {len(hot)} of {expected} rows of the geometric mean count")
    if not hot:
        return
    lines.append(
        f"{what}: geometric mean {geomean(hot):.2f}x hot, {geomean(cold):.2f}x cold "
        f"over {len(hot)} rows (bar {bar}x)"
    )
    if geomean(hot) < bar:
        short.append(f"{what}: geometric mean {geomean(hot):.2f}x < {bar}x")


def _share(what: str, rows: Sequence[Row]) -> str:
    winners = [w for r in rows if (w := fastest(r, ours=True)) is not None]
    derived = sum(w.provenance == "derived" for w in winners)
    return f"{what}: derived plans are our fastest in {derived} of {len(winners)} rows"
