"""The command line of a GPU table: one child process a row, so that a fault loses one row.

The parent never touches the GPU. A child is the same command with `--in-process` and one row; it
writes its file after each precision, so that what it measured before a fault is kept.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from bench.cases import Layout
from bench.command import Parser, at_least, output_file
from bench.contender import Build
from bench.rows_cuda import PEERS, Setting
from bench.verdict import Row, Verdict, fastest, ratio, reason_not_to_count
from einnet.errors import EinnetError, InputError
from einnet.output import write_file

PRECISIONS = ("fp32", "tf32", "fp16", "bf16")


@dataclass(frozen=True)
class Table:
    """`blank` is a row before it is measured; `measure` fills it in, in a process with a GPU."""

    name: str
    module: str
    rows: tuple[str, ...]
    precisions: tuple[str, ...]
    blank: Callable[[str, str], Row]
    measure: Callable[[Row, Setting], Row]
    judge: Callable[[Sequence[Row]], Verdict]
    peers: tuple[str, ...] = PEERS


def parser_of(table: Table, description: str) -> argparse.ArgumentParser:
    parser = Parser(table.module, description)
    add = parser.add_argument
    add("--device", choices=["cuda"], default="cuda", help="what to measure on (default: cuda)")
    add("--rows", nargs="+", default=[""], metavar="TEXT", help="rows whose names hold a TEXT")
    add(
        "--precision",
        nargs="+",
        choices=PRECISIONS,
        default=list(table.precisions),
        help=f"the same on both sides (default: {' '.join(table.precisions)})",
    )
    add("--check", action="store_true", help="exit 1 if something falls short, and name it")
    add("--json", type=output_file, metavar="FILE", help="file for rows with all samples")
    add("--update", action="store_true", help="keep the rows of --json that are not measured now")
    add("--measured", type=Path, metavar="FILE", help="show and judge rows of a file, measure none")
    add("--peers-only", action="store_true", help="without ours")
    add(
        "--ours",
        default="bench.ours",
        metavar="MODULE",
        help="the module whose function `build` compiles ours (default: bench.ours)",
    )
    add("--peers", nargs="*", choices=table.peers, default=list(table.peers), help="which peers")
    add(
        "--layouts",
        nargs="+",
        choices=["nchw", "nhwc"],
        default=["nhwc"],
        help="layouts of input and output that ours is built for (default: nhwc)",
    )
    add("--rounds", type=at_least(1), default=20, metavar="N", help="timed rounds (default: 20)")
    add(
        "--seed",
        type=at_least(0),
        default=0,
        help="seed of data and of the order of runs (default: 0)",
    )
    add(
        "--compile-limit",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="for torch.compile, a row and precision; 0 leaves it out (default: 60)",
    )
    add(
        "--row-limit",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="after which a row's process is ended (default: 300)",
    )
    add(
        "--jobs",
        type=at_least(1),
        default=1,
        metavar="N",
        help="rows at a time, of which one measures; they share the GPU's memory",
    )
    add("--in-process", action="store_true", help="measure here, without a process for each row")
    return parser


def main(table: Table, description: str, arguments: Sequence[str] | None) -> int:
    """0: done; 1: something falls short (with `--check`), or no GPU, library or module of ours."""
    options = parser_of(table, description).parse_args(arguments)
    try:
        names = chosen_rows(table, options.rows)
        if options.in_process:
            list(_measure_here(table, names, options))
            return 0
        else:
            known, measured = _known(options), _rows(table, names, options)
            print(HEADER, flush=True)
            rows: list[Row] = []
            for row in measured:
                print(shown(row), flush=True)
                rows = updated(table, known, [*rows, row])
                if options.json:
                    write_rows(options.json, rows)
    except EinnetError as error:
        print(error, file=sys.stderr)
        return 1
    if options.peers_only:
        return 0
    verdict = table.judge(rows)
    print(*verdict.lines, *commits_of(rows), sep="\n")
    if verdict.short:
        print("falls short:", *verdict.short, sep="\n  ")
    return 1 if verdict.short and options.check else 0


def chosen_rows(table: Table, texts: Sequence[str]) -> list[str]:
    """The rows that hold one of the texts, in the table's order; a whole name means that row
    alone. Raises InputError for a text that no row holds."""
    chosen: set[str] = set()
    for text in texts:
        found = [text] if text in table.rows else [n for n in table.rows if text in n]
        if not found:
            listed = "\n  ".join(table.rows)
            raise InputError(f"no row's name holds {text!r}; the rows are:\n  {listed}")
        chosen.update(found)
    return [name for name in table.rows if name in chosen]


def updated(table: Table, known: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """The known rows and the new ones, which take the places of those of their names and
    precisions, in the table's order."""
    rows = {(row.name, row.precision): row for row in (*known, *new)}
    order = [(name, p) for name in table.rows for p in PRECISIONS]
    return [rows[key] for key in order if key in rows]


def commits_of(rows: Sequence[Row]) -> list[str]:
    """A line that says so if the rows were not all measured at one commit, "+" where files differed
    from it."""
    commits = [str(row.environment.get("commit", "unknown")) for row in rows]
    counts = Counter(c.removesuffix("+")[:12] + "+" * c.endswith("+") for c in commits)
    if len(counts) < 2:
        return []
    return [f"measured at several commits: {', '.join(f'{c} ({n})' for c, n in counts.items())}"]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as JSON."""
    text = json.dumps({"rows": [row.to_json() for row in rows]}, indent=1)
    write_file(path, [text.encode()])


def read_rows(path: Path) -> list[Row]:
    """The rows of a file. Raises InputError if it holds none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return [Row.from_json(row) for row in data["rows"]]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} does not hold rows of a GPU table: {error!r}") from error


def load_build(module: str) -> Build:
    """The function `build` of a module. Raises InputError if there is none."""
    try:
        build: Any = getattr(importlib.import_module(module), "build", None)
    except ModuleNotFoundError as error:
        raise InputError(
            f"--ours {module}: there is no module {error.name}",
            hint="--peers-only measures without ours",
        ) from error
    if not callable(build):
        raise InputError(f"--ours {module}: the module has no function `build`")
    return cast(Build, build)


def _known(options: argparse.Namespace) -> list[Row]:
    """The rows that stay in the file. Raises InputError without a file, or if it holds none."""
    if not options.update:
        return []
    if options.json is None:
        raise InputError("--update is of a file, which --json names")
    return read_rows(options.json) if options.json.exists() else []


def _rows(table: Table, names: Sequence[str], options: argparse.Namespace) -> Iterator[Row]:
    """The rows of those names, as they are measured, or as they were."""
    if options.measured is None:
        return _measure_apart(table, names, options)
    found = read_rows(options.measured)
    return (r for r in found if r.name in names and r.precision in options.precision)


def _measure_here(table: Table, names: Sequence[str], options: argparse.Namespace) -> Iterator[Row]:
    setting = Setting(
        None if options.peers_only else load_build(options.ours),
        tuple(options.peers),
        cast("tuple[Layout, ...]", tuple(options.layouts)),
        options.rounds,
        options.seed,
        options.compile_limit,
    )
    done: list[Row] = []
    for name in names:
        for precision in options.precision:
            row = table.measure(table.blank(name, precision), setting)
            done.append(row)
            if options.json:
                write_rows(options.json, done)
            yield row


def _measure_apart(
    table: Table, names: Sequence[str], options: argparse.Namespace
) -> Iterator[Row]:
    with ThreadPoolExecutor(options.jobs) as pool:
        futures = [pool.submit(_measure_child, table, name, options) for name in names]
        for future in futures:
            yield from future.result()


def _measure_child(table: Table, name: str, options: argparse.Namespace) -> list[Row]:
    rows, fault = _run_child(table, name, options, options.compile_limit)
    if fault.startswith("it took") and options.compile_limit:
        # What never returns to Python is not reached by the limit inside the process.
        rows, again = _run_child(table, name, options, 0.0)
        note = f"torch.compile is left out: the row did not end in {options.row_limit:g} s"
        rows = [replace(row, notes=(*row.notes, note)) for row in rows]
        fault = again
    measured = {row.precision: row for row in rows}
    missing = fault or "not measured"
    return [
        measured.get(p) or replace(table.blank(name, p), notes=(missing,))
        for p in options.precision
    ]


def _run_child(
    table: Table, name: str, options: argparse.Namespace, compile_limit: float
) -> tuple[list[Row], str]:
    """The rows that a child measured, and what ended it before its time ("" if nothing did).

    Raises InputError if it could not begin: that would be so for every row.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.json")
        command = [sys.executable, "-m", table.module, "--in-process", "--rows", name]
        command += ["--json", str(path), "--ours", options.ours]
        command += ["--precision", *options.precision, "--peers", *options.peers]
        command += ["--layouts", *options.layouts, "--rounds", str(options.rounds)]
        command += ["--seed", str(options.seed), "--compile-limit", str(compile_limit)]
        command += ["--peers-only"] if options.peers_only else []
        status, output = _run_limited(command, options.row_limit * options.jobs)
        rows = read_rows(path) if path.exists() else []
    if status == 1 and not rows and "error: " in output and "Traceback" not in output:
        raise InputError(f"{name} cannot be measured:\n{output.strip()}")
    if status is None:
        return rows, f"it took more than {options.row_limit:g} s"
    if status:
        lines = output.strip().splitlines() or [""]
        return rows, f"its process ended with {status}: {lines[-1][:300]}"
    return rows, ""


def _run_limited(command: Sequence[str], limit: float) -> tuple[int | None, str]:
    """Exit status (None: ended after `limit` seconds, with all that it started) and output."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            # Compilers leave workers behind; nothing of the row may run beside the next one.
            _end_group(process.pid)
            process.wait()
        output.seek(0)
        return status, output.read()


def _end_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


HEADER = (
    f"{'row':38s} {'':4s} {'best peer':>22s} {'ours':>7s} {'ratio':>6s} {'cold':>6s} "
    f"{'roof':>6s} {'share':>5s}  ours is"
)


def shown(row: Row) -> str:
    """A line of the table; times in microseconds, `share` that of the roofline in ours."""
    ours, peer = (fastest(row, ours=side) for side in (True, False))
    mine, other = (None if t is None else t.median() for t in (ours, peer))
    by = "" if peer is None else peer.name
    line = (
        f"{row.name:38s} {row.precision:4s} {by:>14s} {_number(other, '7.1f')} "
        f"{_number(mine, '7.1f')} {_number(ratio(row), '5.2f', 'x')} "
        f"{_number(ratio(row, cold=True), '5.2f', 'x')} {row.roof:6.1f} "
        f"{_number(row.roof / mine if mine else None, '5.0%')}  "
        f"{'' if ours is None else ours.provenance}"
    ).rstrip()
    return "\n    ".join([line, *_remarks(row)])


def _number(value: float | None, form: str, unit: str = "") -> str:
    width = int(form.split(".")[0]) + len(unit)
    return "-".rjust(width) if value is None else format(value, form) + unit


def _remarks(row: Row) -> list[str]:
    others = [
        f"{t.name} {m:.1f}{'' if row.correct(t) else ' WRONG'}"
        f"{f' (compiled in {t.compile_seconds:.0f} s)' if t.compile_seconds is not None else ''}"
        for t in row.timed
        if (m := t.median()) is not None
    ]
    remarks = [", ".join(others)] if others else []
    if row.timed and (reason := reason_not_to_count(row)) and row.baseline is not None:
        remarks.append(f"does not count: {reason}")
    return [*remarks, *row.notes]
