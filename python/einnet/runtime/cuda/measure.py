"""`tune` in a child process: a candidate that faults or hangs is left out, and the rest goes on.

An illegal address makes a process lose its GPU for good, and an endless kernel never returns; so
whatever was not run before runs in a process that can be killed.

    python -m einnet.runtime.cuda.measure ARTIFACT RECORDS [--rounds N] [--seed N] [--skip NAME]...
"""

from __future__ import annotations

import argparse
import json
import selectors
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from einnet.errors import EinnetError, InputError, Location, ToolchainError
from einnet.runtime.cuda.artifact import load_cuda_artifact
from einnet.runtime.cuda.device import open_device
from einnet.runtime.cuda.records import Records, load_records, save_records
from einnet.runtime.cuda.tune import tune

PATIENCE = 120.0
"""Seconds without a sign of life after which the child is killed."""

_FAILED = 3
"""Exit status of a child whose error the user has caused; it has printed it as JSON."""


def measure_artifact(
    folder: Path,
    *,
    rounds: int = 30,
    seed: int = 0,
    known: Records | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Records:
    """Measure an artifact in child processes. Raises EinnetError as `tune`, and if nothing is left
    to measure."""
    skip: list[str] = []
    with TemporaryDirectory(prefix="einnet-measure-") as scratch:
        path = Path(scratch) / "records.json"
        if known is not None:
            save_records(known, path)
        while True:
            command = [sys.executable, "-m", __name__, str(folder), str(path)]
            command += ["--rounds", str(rounds), "--seed", str(seed)]
            command += [part for name in skip for part in ("--skip", name)]
            status, lines, errors = _watch(command, say)
            if status == 0:
                return load_records(path)
            if status == _FAILED:
                raise _error(lines[-1])
            culprit = _culprit(lines)
            if culprit is None or culprit in skip:
                last = errors.strip().splitlines()[-1:] or [f"status {status}"]
                raise ToolchainError(
                    f"measuring fails: {last[0]}",
                    location=Location(str(folder)),
                    hint=f"to see it: {' '.join(command)}",
                )
            say(f"dropped {culprit}: it crashed or hung")
            skip.append(culprit)


def _watch(command: list[str], say: Callable[[str], None]) -> tuple[int, list[str], str]:
    """Run the command, killed if it is silent for too long: status, lines, error output."""
    with TemporaryDirectory(prefix="einnet-measure-") as scratch:
        errors = Path(scratch) / "stderr"
        with (
            errors.open("w") as stream,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True) as child,
            selectors.DefaultSelector() as selector,
        ):
            assert child.stdout is not None
            selector.register(child.stdout, selectors.EVENT_READ)
            lines: list[str] = []
            while True:
                if not selector.select(PATIENCE):
                    child.kill()
                    break
                line = child.stdout.readline()
                if not line:
                    break
                lines.append(line.rstrip("\n"))
                if not line.startswith("{"):
                    say(lines[-1])
            status = child.wait()
        return status, lines, errors.read_text(encoding="utf-8", errors="replace")


def _culprit(lines: list[str]) -> str | None:
    """What was about to run when the child stopped."""
    for line in reversed(lines):
        kind, _, rest = line.partition(" ")
        if kind == "variant":
            return rest
        if kind in ("call", "kernel"):
            return rest.split(" ", 1)[0]
    return None


def _error(line: str) -> EinnetError:
    data = json.loads(line)
    location = Location(data["location"]) if data["location"] else None
    kind = InputError if data["kind"] == "InputError" else ToolchainError
    return kind(data["message"], location=location, hint=data["hint"])


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
        known = load_records(arguments.records) if arguments.records.exists() else artifact.records
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
