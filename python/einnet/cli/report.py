"""Tables for people: what a compilation found, what a benchmark measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from einnet.cli.proofs import format_chance

if TYPE_CHECKING:
    from einnet.driver import Compilation
    from einnet.program.selection import Choice
    from einnet.runtime.measure import Samples
    from einnet.trace import Trace
    from einnet.verify.certificate import Certificate


def print_compilation(compilation: Compilation, trace: Trace) -> None:
    """One row for each subprogram, the proof of the whole, the CPU seconds of each stage."""
    table = Table(box=box.SIMPLE_HEAD, title="subprograms", title_justify="left")
    for heading in ("subprogram", "original", "derivation", "matched", "verified"):
        table.add_column(heading, overflow="fold")
    for heading in ("states", "search s", "estimate", "measured", "original measured"):
        table.add_column(heading, justify="right")
    for choice in compilation.choices:
        table.add_row(*_row(choice))
    console = _console(160)
    console.print(table)
    for choice in compilation.choices:
        for reason in choice.dropped:
            console.print(f"{choice.subprogram.name}: dropped {reason}", markup=False)
    console.print(format_proof(compilation.certificate, "the final module equals the imported one"))
    console.print(format_stages(trace))


def format_stages(trace: Trace) -> str:
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in trace.seconds.items())
    return f"CPU seconds: {trace.total:.1f} ({stages})"


def format_proof(proof: Certificate, what: str) -> str:
    """What a certificate says, in a line."""
    return (
        f"proved: {what} on {proof.cells} cells at {proof.positions} positions,"
        f" {len(proof.segments)} segments,"
        f" probability of a wrong accept at most {format_chance(proof.error_bound)}"
    )


def _row(choice: Choice) -> tuple[str, ...]:
    subprogram, candidate = choice.subprogram, choice.candidate
    proof = choice.certificate
    return (
        subprogram.name,
        f"{subprogram.definition.label} {list(subprogram.definition.result.shape)}",
        format_rules(candidate.steps) if not candidate.is_original else "none",
        candidate.name or "generated kernel",
        f"{proof.cells} cells, {proof.positions} positions, {format_chance(proof.error_bound)}",
        str(subprogram.visited),
        f"{subprogram.seconds:.2f}",
        _time(candidate.estimate),
        _measured(choice, choice.name),
        _measured(choice, "original"),
    )


def format_rules(steps: tuple[object, ...]) -> str:
    """The rules of a derivation in order, repeats counted."""
    names = [str(step).partition("(")[0] for step in steps]
    parts: list[tuple[str, int]] = []
    for name in names:
        if parts and parts[-1][0] == name:
            parts[-1] = (name, parts[-1][1] + 1)
        else:
            parts.append((name, 1))
    return ", ".join(n if count == 1 else f"{n} x{count}" for n, count in parts) or "layout only"


def _measured(choice: Choice, name: str) -> str:
    return _time(choice.samples[name].median) if name in choice.samples else "-"


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


class _Console(Console):
    """A console that leaves a reader that went away to `cli.guard`, as all output does."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _console(width: int) -> Console:
    """A console as wide as the terminal, or `width` where the output goes elsewhere."""
    return _Console(width=None if Console().is_terminal else width)


def print_benchmark(samples: dict[str, Samples], notes: list[str], title: str) -> None:
    """Median and spread of each side, and its ratio to the last one."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("program")
    for heading in ("median", "spread", "runs", "against the optimized"):
        table.add_column(heading, justify="right")
    base = samples["einnet"].median
    for name, row in samples.items():
        table.add_row(
            name,
            _time(row.median),
            _time(row.spread),
            str(len(row.wall)),
            f"{row.median / base:.2f}x",
        )
    console = _console(120)
    console.print(table)
    for note in notes:
        console.print(note, markup=False)
