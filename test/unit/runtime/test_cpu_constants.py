"""The safetensors reader: agrees with the library's, and refuses what makes no sense."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from einnet.errors import InputError
from einnet.runtime.constants import map_constants, save_constants


def test_agrees_with_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    generator = np.random.default_rng(0)
    arrays = {
        "matrix": generator.standard_normal((3, 4), np.float32),
        "transposed": generator.standard_normal((3, 4), np.float32).T,
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 3), np.float32),
        "integers": np.arange(5, dtype=np.int8),
    }
    save_constants(path, arrays)
    mapped, loaded = map_constants(path), load_file(path)
    assert mapped.keys() == loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(mapped[name], array)
        np.testing.assert_array_equal(loaded[name], array)
        assert mapped[name].dtype == array.dtype


def test_no_constants_at_all(tmp_path: Path) -> None:
    save_constants(tmp_path / "c", {})
    assert map_constants(tmp_path / "c") == {}


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (ENTRY | {"dtype": "F8"}, "makes no sense"),
        (ENTRY | {"shape": [3]}, "makes no sense"),
        (ENTRY | {"shape": [-1, -2]}, "makes no sense"),
        (ENTRY | {"shape": "2"}, "makes no sense"),
        (ENTRY | {"data_offsets": [-8, 0]}, "makes no sense"),
        (ENTRY | {"data_offsets": [1 << 40, (1 << 40) + 8]}, "cut off"),
        ([], "makes no sense"),
    ],
)
def test_malformed_entries(tmp_path: Path, entry: object, message: str) -> None:
    header = json.dumps({"a": entry}).encode()
    (tmp_path / "c").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(InputError, match=message):
        map_constants(tmp_path / "c")


@pytest.mark.parametrize(
    "content", [b"", b"abc", struct.pack("<Q", 99), struct.pack("<Q", 2) + b"[]", bytes(8) + b"x"]
)
def test_malformed_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(InputError, match="not a usable safetensors file"):
        map_constants(tmp_path / "c")
