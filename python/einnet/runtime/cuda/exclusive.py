"""One process at a time measures on a GPU: of two at once, each would time the other's work too.

The lock is a file that belongs to the GPU, in the system's folder for temporary files: processes
that share no such folder, as those of two containers, do not wait for each other. Whoever dies
loses the lock. What is measured runs within it, while building, loading and copying need not wait.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from einnet.runtime.cuda.device import Device

Say = Callable[[str], None]

_POLL, _BEAT = 0.002, 1.0
"""Seconds between two tries, and between two signs of life."""


@contextmanager
def alone(device: Device, say: Say = lambda _: None) -> Generator[None]:
    """Wait until no other process measures on the GPU, and keep others waiting meanwhile.

    `say` hears that it takes long, then an empty line about once a second, as a sign of life; and
    that others cannot be kept waiting, if there is no file to lock. Entering it again from within
    never ends.
    """
    file = _open(f"einnet-gpu-{device.properties.bus}.lock")
    if file is None:
        say("other processes may measure meanwhile: there is no file to lock")
        yield
        return
    try:
        _wait(file, say)
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough if a process was forked within
        os.close(file)


def _wait(file: int, say: Say) -> None:
    message = "waiting: another process measures on this GPU"
    heard = monotonic()
    while not _locked(file, say):
        if monotonic() - heard > _BEAT:
            heard = monotonic()
            say(message)
            message = ""
        sleep(_POLL)


def _locked(file: int, say: Say) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        say(f"other processes may measure meanwhile: a file cannot be locked: {error.strerror}")
    return True


def _open(name: str) -> int | None:
    """The file, which other users can open too, made if there is none; None if that fails."""
    safe = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        path = Path(tempfile.gettempdir(), name)
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | safe)  # another user's may not be asked to be made
        file = os.open(path, os.O_RDONLY | os.O_CREAT | safe, 0o644)
    except OSError:
        return None
    with suppress(OSError):
        os.fchmod(file, 0o644)
    return file
