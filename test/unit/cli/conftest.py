"""Puts this folder's `gpu_artifacts` and the runtime's `fake_device` on the path, and gives each
file a lock of its own on the fake GPU."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "runtime" / "cuda")]


@pytest.fixture(autouse=True, scope="module")
def own_lock(tmp_path_factory: pytest.TempPathFactory):
    folder = str(tmp_path_factory.mktemp("locks"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", folder)
        yield
