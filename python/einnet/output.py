"""Output files: complete or left as they were, and refused before the work rather than after it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from einnet.errors import InputError, Location


def write_file(path: Path, parts: Iterable[bytes]) -> None:
    """Write `parts`, one after the other, to `path`.

    The file appears complete or stays as it was, and whoever has mapped the old one keeps it. What
    is not a regular file, such as a pipe or a device, is written in place. Raises `InputError`
    if the file cannot be written or there is no room.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            with path.open("wb") as file:
                file.writelines(parts)
            return
        # No longer than other names: the file's own may be as long as a name can be.
        temporary = target.with_name(f".einnet.{os.getpid()}.{hash(target.name) % 2**32:08x}")
        try:
            with temporary.open("wb") as file:
                file.writelines(parts)
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def require_writable(path: Path) -> None:
    """Raise the `InputError` that `write_file` would, as far as it can be told beforehand."""
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            path.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> InputError:
    """The user's error that a file or folder cannot be written."""
    return InputError(f"cannot be written: {error.strerror}", location=Location(str(path)))
