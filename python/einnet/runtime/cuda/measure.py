"""`tune` in a child process: a candidate that faults or hangs is left out, and the rest goes on.

An illegal address makes a process lose its GPU for good, and an endless kernel never returns; so
whatever was not run before runs in a process that can be killed.

    python -m einnet.runtime.cuda.measure ARTIFACT RECORDS [--rounds N] [--seed N] [--skip NAME]...
"""

from __future__ import annotations

import argparse
import json
import os
import re
import selectors
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from einnet.errors import EinnetError, InputError, Location, ToolchainError
from einnet.runtime.cuda.artifact import load_cuda_artifact
from einnet.runtime.cuda.device import open_device
from einnet.runtime.cuda.records import Records, load_records, save_records
from einnet.runtime.cuda.tune import tune

PATIENCE = 120.0
"""Seconds without a sign of life after which the child is killed."""

CHILD = (sys.executable, "-m", "einnet.runtime.cuda.measure")
"""The command that measures an artifact in its own process."""

_FAILED = 3
"""Exit status of a child whose error the user has caused; it has printed it as JSON."""

_ABOUT_TO_RUN = re.compile(r"(?:call|kernel) (\w+)(?: .*)?|variant (.*)")
_TIMING = "timing"


def measure_artifact(
    folder: Path,
    *,
    rounds: int = 30,
    seed: int = 0,
    known: Records | None = None,
    say: Callable[[str], None] = lambda _: None,
    child: Sequence[str] = CHILD,
    patience: float = PATIENCE,
) -> Records:
    """Measure an artifact in child processes, `child` being their command.

    What was about to run when a child crashed, or was silent for `patience` seconds, is left out of
    the next one, which goes on with what the last one has found. Raises EinnetError as `tune`, and
    ToolchainError if it is not known what to leave out.
    """
    skip: list[str] = []
    with TemporaryDirectory(prefix="einnet-measure-") as scratch:
        path = Path(scratch) / "records.json"
        if known is not None:
            save_records(known, path)
        while True:
            command = [*child, str(folder), str(path), "--rounds", str(rounds)]
            command += ["--seed", str(seed), *(f"--skip={name}" for name in skip)]
            status, lines, errors = _watch(command, say, patience)
            if status == 0:
                return load_records(path)
            if status == _FAILED and (error := _error(lines)) is not None:
                raise error
            how = "it crashed" if status is not None else f"it was silent for {patience:.0f} s"
            last = errors.strip().splitlines()[-1:] or [f"exit status {status}"]
            culprit = _culprit(lines)
            if culprit is None or culprit in skip:
                raise ToolchainError(
                    f"measuring fails: {last[0] if status is not None else how}",
                    location=Location(str(folder)),
                    hint=f"to see it: {' '.join([*child, str(folder), 'records.json'])}",
                )
            say(f"dropped {culprit}: {how}" + (f": {last[0]}" if status is not None else ""))
            skip.append(culprit)


def _watch(
    command: list[str], say: Callable[[str], None], patience: float
) -> tuple[int | None, list[str], str]:
    """Run the command: its exit status, None if it was silent for too long and killed; the lines
    that it printed; its error output."""
    with TemporaryDirectory(prefix="einnet-measure-") as scratch:
        errors = Path(scratch) / "stderr"
        with (
            errors.open("w") as stream,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream) as child,
        ):
            try:
                lines, ended = _listen(child, say, patience)
                status = _status(child, patience) if ended else None
            finally:
                child.kill()  # does nothing to one that has ended
        return status, lines, errors.read_text(encoding="utf-8", errors="replace")


def _listen(
    child: subprocess.Popen[bytes], say: Callable[[str], None], patience: float
) -> tuple[list[str], bool]:
    """The lines of a child, passed on as they come, and whether it has closed its output rather
    than been silent for too long."""
    assert child.stdout is not None
    lines: list[str] = []
    rest = b""
    # Read without a buffer: lines that wait in one would go unheard while the next are awaited.
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while selector.select(patience):
            heard = os.read(child.stdout.fileno(), 1 << 16)
            if not heard:
                return lines, True
            *whole, rest = (rest + heard).split(b"\n")
            for line in (w.decode("utf-8", "replace") for w in whole):
                if line and not line.startswith("{"):
                    say(line)
                lines.append(line)
    return lines, False


def _status(child: subprocess.Popen[bytes], patience: float) -> int | None:
    """The exit status of a child that has closed its output; None if it does not end."""
    try:
        return child.wait(patience)
    except subprocess.TimeoutExpired:
        return None


def _culprit(lines: list[str]) -> str | None:
    """What was about to run when the child stopped; None if it was nothing in particular."""
    for line in reversed(lines):
        if line == _TIMING:
            return None  # all variants in turn, each of which has run before
        if found := _ABOUT_TO_RUN.fullmatch(line):
            return found[1] or found[2]
    return None


def _error(lines: list[str]) -> EinnetError | None:
    """The error that a child has printed; None if its last line is none."""
    try:
        data: Any = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    match data:
        case {"kind": str(name), "message": str(message), "hint": hint, "location": where}:
            kind = InputError if name == "InputError" else ToolchainError
            location = Location(cast(str, where)) if where else None
            return kind(message, location=location, hint=cast("str | None", hint))
        case _:
            return None


def _main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("artifact", type=Path)
    parser.add_argument("records", type=Path)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip", action="append", default=[])
    arguments = parser.parse_args()
    try:
        artifact = load_cuda_artifact(arguments.artifact)
        known = (
            load_records(arguments.records)
            if os.path.exists(arguments.records)
            else artifact.records
        )
        records = tune(
            artifact,
            open_device(),
            rounds=arguments.rounds,
            seed=arguments.seed,
            skip=arguments.skip,
            known=known,
            say=lambda line: print(line, flush=True),
            keep=lambda records: save_records(records, arguments.records),
        )
    except EinnetError as error:
        location = None if error.location is None else str(error.location)
        print(
            json.dumps({
                "kind": type(error).__name__, "message": error.message,
                "location": location, "hint": error.hint,
            }),
            flush=True,
        )  # fmt: skip
        return _FAILED
    save_records(records, arguments.records)
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
