"""Work in a forked child, and what it was about when MLIR took the process down with it.

The wheels of MLIR are built with assertions: a wrong pipeline or a damaged input can abort the
process, where no exception handler runs. So the command forks before MLIR is loaded, which costs a
millisecond; the child writes what it is about to do into a file that both have open, and the parent
makes an error of it if the child dies.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import BinaryIO

_KILL_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


@dataclass(frozen=True)
class Activity:
    """What the process is about to do: `what` completes "while ...".

    `file`, `line` and `column` say where an error would be. `pipeline` runs on the content that was
    recorded with it; `ours` is whether a pass of einnet's runs.
    """

    what: str
    file: str
    line: int = 0
    column: int = 0
    pipeline: str | None = None
    ours: bool = False


class BlackBox:
    """The last activity, in a file that outlives the process that writes it."""

    def __init__(self, file: BinaryIO | None = None) -> None:
        self._file = file

    def record(self, activity: Activity, content: Callable[[], bytes] = bytes) -> None:
        """Record what is about to happen; `content` is what the activity is about."""
        if self._file is None:
            return
        header = json.dumps(asdict(activity)).encode()
        self._file.seek(0)
        self._file.truncate()
        self._file.write(header + b"\n" + content())
        self._file.flush()

    def read(self) -> tuple[Activity, bytes] | None:
        """What was recorded last, and its content."""
        if self._file is None:
            return None
        self._file.seek(0)
        header, _, content = self._file.read().partition(b"\n")
        return (Activity(**json.loads(header)), content) if header else None


@dataclass(frozen=True)
class Crash:
    """A child ended by a signal, doing `activity` with `content`."""

    signal: signal.Signals
    activity: Activity
    content: bytes


_CRASHES = (
    signal.SIGABRT,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGILL,
    signal.SIGFPE,
    signal.SIGKILL,  # what a system does that is out of memory
)


def isolated(
    program: str, function: Callable[[BlackBox], int], crashed: Callable[[Crash], int]
) -> int:
    """Call `function` in a child; its result, or that of `crashed` if MLIR took the child down.

    The child leaves without what Python does at exit. A child that another signal ends, such as a
    user's, takes this process along.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as file:
        box = BlackBox(file)
        parent = os.getpid()
        # The terminal sends interrupts to both; it is the child that answers them.
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, interrupt)
            _end_with(parent)
            os._exit(_finished(function(box)))
        status = os.waitpid(child, 0)[1]
        signal.signal(signal.SIGINT, interrupt)
        if not os.WIFSIGNALED(status):
            return os.waitstatus_to_exitcode(status)
        ended_by = signal.Signals(os.WTERMSIG(status))
        if ended_by not in _CRASHES:
            signal.signal(ended_by, signal.SIG_DFL)
            os.kill(parent, ended_by)
        activity, content = box.read() or (Activity("starting", program), b"")
        return crashed(Crash(ended_by, activity, content))


def _finished(status: int) -> int:
    """Flush what Python would at exit."""
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _end_with(parent: int) -> None:
    """A child that outlives a killed parent would hold the pipes of whoever waits for them."""
    if sys.platform == "linux":
        import ctypes  # here, because the parent has no use for it

        ctypes.CDLL(None).prctl(_KILL_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
