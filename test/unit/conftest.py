"""Puts on the path what the tests of several folders import: `strategies` and `tensor_algebra`; and
gives each file a lock of its own on the fake GPU."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(autouse=True, scope="module")
def own_lock(tmp_path_factory: pytest.TempPathFactory):
    folder = str(tmp_path_factory.mktemp("locks"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", folder)
        yield
