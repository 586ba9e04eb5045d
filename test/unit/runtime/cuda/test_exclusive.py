"""One process at a time measures on a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from fake_device import FakeDevice

from einnet.runtime.cuda import exclusive
from einnet.runtime.cuda.exclusive import alone


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


HOLDER = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDONLY | os.O_CREAT)
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_who_comes_second_waits_for_the_first_and_shows_that_it_lives(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, "_BEAT", 0.01)
    device, beats = FakeDevice(), list[int]()
    lock = folder / f"einnet-gpu-{device.properties.bus}.lock"
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == b"held\n"

        def beat() -> None:
            beats.append(1)
            if len(beats) == 3:
                other.kill()  # who dies loses the lock

        with alone(device, beat):
            assert len(beats) >= 3
            assert other.wait(10) != 0


def test_it_is_given_back(folder: Path) -> None:
    for _ in range(2):
        with alone(FakeDevice(), lambda: pytest.fail("nobody else has it")):
            pass
    with pytest.raises(ZeroDivisionError), alone(FakeDevice()):
        _ = 1 // 0
    with alone(FakeDevice(), lambda: pytest.fail("nobody else has it")):
        pass
    assert len(list(folder.iterdir())) == 1


def test_without_a_file_nobody_waits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(folder / "none"))
    with alone(FakeDevice()):
        pass


def test_a_link_that_someone_laid_is_not_followed(folder: Path) -> None:
    elsewhere = folder / "elsewhere"
    os.symlink(elsewhere, folder / f"einnet-gpu-{FakeDevice().properties.bus}.lock")
    with alone(FakeDevice()):
        pass
    assert not elsewhere.exists()
