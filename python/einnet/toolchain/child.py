"""Risky work in a child process that can be killed: other compilers, and kernels not yet trusted.

A child that crashes, hangs or eats the memory must become one error, not take the compiler along.
"""

from __future__ import annotations

import contextlib
import enum
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from einnet.errors import Location, ToolchainError


class Outcome(enum.Enum):
    """Why a child did not come to an end of its own."""

    CRASHED = "crashed"
    TIMED_OUT = "ran past its time limit"
    OUT_OF_MEMORY = "ran out of memory"


class ChildError(ToolchainError):
    """A child did not come to an end of its own; `outcome` says how, `stderr` what it wrote."""

    outcome: Outcome
    stderr: str

    def __init__(
        self,
        message: str,
        outcome: Outcome,
        stderr: str,
        *,
        location: Location | None,
        hint: str | None,
        reproduce: str,
    ) -> None:
        super().__init__(message, location=location, hint=hint, reproduce=reproduce)
        self.outcome = outcome
        self.stderr = stderr


@dataclass(frozen=True)
class ChildResult:
    """A child that exited by itself; `status` is its exit status, which may be a failure's.

    `command` runs it again in a shell, its input left out.
    """

    command: str
    status: int
    stdout: str
    stderr: str
    seconds: float


# What runtimes print when an allocation fails: C++, LLVM, Python and libc, in this order.
_OUT_OF_MEMORY = ("bad_alloc", "out of memory", "MemoryError", "Cannot allocate memory")


def run_child(
    args: Sequence[str],
    input: str = "",
    timeout: float = 60.0,
    memory_limit: int | None = None,
    *,
    location: Location | None = None,
) -> ChildResult:
    """Run `args` with `input` on its stdin, for at most `timeout` seconds.

    `memory_limit` bounds the address space in bytes: leave it None for a process that uses a GPU,
    whose driver reserves far more address space than memory. `location` is what the work is about,
    for the error. A child that exits by itself is a result, whatever its status; one that does not
    is a `ChildError` whose `reproduce` runs it alone. The child leads a process group of its own,
    and the whole group is killed at the time limit.
    """
    if shutil.which(args[0]) is None:
        raise ToolchainError(
            f"{args[0]} is not an executable program",
            location=location,
            hint="einnet doctor shows which tools are missing",
        )
    started = time.monotonic()
    process = subprocess.Popen(
        _limited(args, memory_limit),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(input, timeout=timeout)
        outcome = None
    except subprocess.TimeoutExpired:
        _kill(process)
        stdout, stderr = process.communicate()
        outcome = Outcome.TIMED_OUT
    except BaseException:  # an interrupt by the user: no orphan stays behind
        _kill(process)
        process.wait()
        raise
    status = process.returncode
    if outcome is None and status != 0 and any(text in stderr for text in _OUT_OF_MEMORY):
        outcome = Outcome.OUT_OF_MEMORY
    elif outcome is None and _signal_of(status) is not None:
        # Without a message it may still be the kernel's out-of-memory killer, which sends SIGKILL.
        killed = _signal_of(status) == signal.SIGKILL
        outcome = Outcome.OUT_OF_MEMORY if killed else Outcome.CRASHED
    if outcome is None:
        return ChildResult(shlex.join(args), status, stdout, stderr, time.monotonic() - started)
    raise ChildError(
        f"{os.path.basename(args[0])} {_account(outcome, status, timeout, memory_limit)}",
        outcome,
        stderr,
        location=location,
        hint=_last_line(stderr),
        reproduce=_reproduce(args, input, timeout, memory_limit),
    )


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a child and what it started; it may have ended by itself meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _limited(args: Sequence[str], memory_limit: int | None) -> list[str]:
    """`args` under a shell that sets the limits: no hook of ours runs between fork and exec."""
    limit = "" if memory_limit is None else f"ulimit -v {memory_limit // 1024}; "
    return ["/bin/sh", "-c", f'ulimit -c 0; {limit}exec "$0" "$@"', *args]


def _signal_of(status: int) -> signal.Signals | None:
    """The signal that ended a process; a shell reports its child's as 128 + number."""
    number = -status if status < 0 else status - 128
    return signal.Signals(number) if number in signal.valid_signals() and number > 0 else None


def _account(outcome: Outcome, status: int, timeout: float, memory_limit: int | None) -> str:
    match outcome:
        case Outcome.TIMED_OUT:
            return f"did not end within {timeout:g} s and was killed"
        case Outcome.OUT_OF_MEMORY:
            limit = f" (limit {memory_limit / 2**30:.1f} GiB)" if memory_limit else ""
            return f"ran out of memory{limit}"
        case Outcome.CRASHED:
            ended_by = _signal_of(status)
            return f"crashed ({ended_by.name if ended_by else status})"


def _last_line(stderr: str) -> str | None:
    """The message of a crash: the last line before a stack dump, or the last line of all."""
    before_dump = stderr.split("PLEASE submit a bug report")[0].split("Stack dump:")[0]
    lines = [line.strip() for line in before_dump.splitlines() if line.strip()]
    return lines[-1] if lines else None


def _reproduce(args: Sequence[str], input: str, timeout: float, memory_limit: int | None) -> str:
    """A shell command that runs the child with the same limits and input."""
    command = f"timeout {timeout:g} {shlex.join(args)}"
    if memory_limit is not None:
        command = f"(ulimit -v {memory_limit // 1024}; {command})"
    if not input:
        return command
    descriptor, path = tempfile.mkstemp(prefix="einnet-", suffix=".in")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(input)
    return f"{command} < {shlex.quote(path)}"
