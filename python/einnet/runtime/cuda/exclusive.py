"""One process at a time measures on a GPU: of two at once, each would time the other's work too.

The lock is a file that belongs to the GPU, in the system's folder for temporary files: processes
that share no such folder, as those of two containers, do not wait for each other. Whoever dies
loses the lock.
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

_POLL, _BEAT = 0.002, 1.0
"""Seconds between two tries, and between two signs of life."""


@contextmanager
def alone(device: Device, beat: Callable[[], None] = lambda: None) -> Generator[None]:
    """Wait until no other process measures on the GPU, and keep others waiting meanwhile.

    `beat` is called about once a second while waiting. Entering it again from within never ends.
    """
    file = _open(Path(tempfile.gettempdir(), f"einnet-gpu-{device.properties.bus}.lock"))
    if file is None:
        yield
        return
    try:
        heard = monotonic()
        while not _locked(file):
            if monotonic() - heard > _BEAT:
                heard = monotonic()
                beat()
            sleep(_POLL)
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough if a process was forked within
        os.close(file)


def _open(path: Path) -> int | None:
    """The file, made if there is none; None if it cannot be opened: then nobody waits."""
    for flags in (os.O_RDONLY, os.O_RDONLY | os.O_CREAT):  # another user's may not be created anew
        try:
            return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        except OSError:
            continue
    return None


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # this file system has no locks
    return True
