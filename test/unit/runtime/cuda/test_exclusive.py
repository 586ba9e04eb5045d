"""One process at a time measures on a GPU."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from fake_device import PROPERTIES, FakeDevice, is_held

from einnet.runtime.cuda import exclusive
from einnet.runtime.cuda.exclusive import alone

LOCK = f"einnet-gpu-{PROPERTIES.bus}.lock"

HOLDER = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDONLY | os.O_CREAT)
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


def silent(message: str) -> None:
    pytest.fail(f"nobody else has it, and yet: {message}")


def test_who_comes_second_waits_for_the_first_and_shows_that_it_lives(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, "_BEAT", 0.01)
    said: list[str] = []
    command = [sys.executable, "-c", HOLDER, str(folder / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == b"held\n"

        def say(message: str) -> None:
            said.append(message)
            if len(said) == 3:
                other.kill()  # who dies loses the lock

        with alone(FakeDevice(), say):
            assert other.wait(10) != 0
            assert is_held()
    assert said[:3] == ["waiting: another process measures on this GPU", "", ""]


def test_it_is_given_back(folder: Path) -> None:
    for _ in range(2):
        with alone(FakeDevice(), silent):
            assert is_held()
    with pytest.raises(ZeroDivisionError), alone(FakeDevice()):
        _ = 1 // 0
    assert not is_held()
    assert len(list(folder.iterdir())) == 1


def test_a_process_that_was_forked_meanwhile_does_not_keep_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has a copy of the open file."""
    copies: list[int] = []
    open_ = exclusive._open

    def opened(name: str) -> int | None:
        file = open_(name)
        assert file is not None
        copies.append(os.dup(file))
        return file

    monkeypatch.setattr(exclusive, "_open", opened)
    with alone(FakeDevice()):
        assert is_held()
    assert not is_held()
    os.close(copies[0])


def test_every_user_can_open_the_file(folder: Path) -> None:
    umask = os.umask(0o077)
    try:
        with alone(FakeDevice(), silent):
            pass
    finally:
        os.umask(umask)
    assert (folder / LOCK).stat().st_mode & 0o777 == 0o644


def test_another_users_file_is_not_asked_to_be_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux refuses that in folders that all may write to."""
    (folder / LOCK).touch()
    open_ = os.open

    def strict(path: Any, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT or flags & os.O_WRONLY or flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        return open_(path, flags, mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", strict)
        with alone(FakeDevice(), silent):
            patch.undo()
            assert is_held()


def test_without_a_file_nobody_waits_which_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def missing() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    for found in (missing, lambda: str(folder / "none")):
        monkeypatch.setattr(tempfile, "gettempdir", found)
        with alone(FakeDevice(), said.append):
            pass
    assert said == ["other processes may measure meanwhile: there is no file to lock"] * 2


def test_a_file_system_without_locks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def refuse(*_: object) -> None:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with alone(FakeDevice(), said.append):
        pass
    assert said == [
        "other processes may measure meanwhile: a file cannot be locked: Bad file descriptor"
    ]


def test_a_link_that_someone_laid_is_not_followed(folder: Path) -> None:
    elsewhere = folder / "elsewhere"
    os.symlink(elsewhere, folder / LOCK)
    with alone(FakeDevice()):
        pass
    assert not elsewhere.exists()
