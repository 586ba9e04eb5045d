import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from einnet.errors import InputError
from einnet.weights import Weights

ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "z.half": np.arange(3, dtype=np.float16),
    "a.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "brain": np.arange(5).astype(ml_dtypes.bfloat16),
    "scalar": np.array(2.5, dtype=np.float64),
    "nothing": np.zeros((0, 3), np.float32),
    "mask": np.array([True, False]),
    "index": np.arange(4, dtype=np.int64),
}


def test_saved_and_loaded_weights_are_equal_in_order(tmp_path: Path):
    weights = Weights(ARRAYS)
    weights.save(tmp_path / "w.safetensors")
    loaded = Weights.load(tmp_path / "w.safetensors")
    assert loaded == weights
    assert list(loaded) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()


def test_no_weights_at_all(tmp_path: Path):
    Weights().save(tmp_path / "w.safetensors")
    assert len(Weights.load(tmp_path / "w.safetensors")) == 0


def test_the_safetensors_package_reads_and_writes_the_same(tmp_path: Path):
    known = {name: array for name, array in ARRAYS.items() if name != "brain"}
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    Weights(known).save(ours)
    safetensors.numpy.save_file(known, theirs, metadata={"format": "np"})
    read = safetensors.numpy.load_file(ours)
    assert {name: array.tobytes() for name, array in read.items()} == {
        name: array.tobytes() for name, array in known.items()
    }
    assert dict(Weights.load(theirs).digests) == dict(Weights(known).digests)


def test_loading_maps_the_file(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    Weights({"w": np.zeros(1 << 16, np.float32)}).save(path)
    array = Weights.load(path)["w"]
    with path.open("r+b") as file:  # a change of the file shows in a mapped array only
        file.seek(-4, 2)
        file.write(np.float32(7).tobytes())
    assert array[-1] == 7
    assert not array.flags.writeable


def test_saving_over_a_mapped_file_leaves_its_arrays_whole(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    Weights({"w": np.ones(4096, np.float32)}).save(path)
    loaded = Weights.load(path)
    Weights({"w": np.zeros(1, np.float32)}).save(path)
    assert loaded["w"].sum() == 4096
    assert [item.name for item in tmp_path.iterdir()] == ["w.safetensors"]


def test_arrays_are_aligned(tmp_path: Path):
    path = tmp_path / "w.safetensors"
    Weights(ARRAYS).save(path)
    assert all(array.flags.aligned for array in Weights.load(path).values())


def test_digest_tells_contents_shapes_and_types_apart():
    base = np.arange(4, dtype=np.float32)
    variants = [base, base + 1, base.reshape(2, 2), base.view(np.int32)]
    digests = {Weights({"w": array}).digests["w"] for array in variants}
    assert len(digests) == len(variants)
    assert Weights({"w": base}).digests == Weights({"w": base.copy()}).digests


def test_arrays_cannot_be_changed():
    source = np.arange(6, dtype=np.float32).reshape(2, 3)
    weights = Weights({"w": source, "transposed": source.T})
    with pytest.raises(ValueError, match="read-only"):
        weights["w"][0, 0] = 1
    assert weights["transposed"].flags.c_contiguous
    np.testing.assert_array_equal(weights["transposed"], source.T)


def test_dtype_without_a_code_is_refused():
    with pytest.raises(ValueError, match="complex128"):
        Weights({"w": np.zeros(1, np.complex128)})


def entry(dtype: str = "F32", shape: object = (2,), offsets: object = (0, 8)) -> bytes:
    header = json.dumps({"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}).encode()
    return len(header).to_bytes(8, "little") + header


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "header is not whole"),
        ((1 << 60).to_bytes(8, "little") + b"{}", "header is not whole"),
        ((2).to_bytes(8, "little") + b"{]", "not JSON"),
        ((2).to_bytes(8, "little") + b"[]", "not a JSON object"),
        ((7).to_bytes(8, "little") + b'{"w":1}', "lacks a dtype"),
        (entry() + bytes(7), "cut short"),
        (entry(dtype="F99") + bytes(8), "unknown dtype F99"),
        (entry(shape=(3,)) + bytes(8), "does not fit"),
        (entry(shape=(-1, -2)) + bytes(8), "does not fit"),
        (entry(offsets=(-8, 0)) + bytes(8), "outside"),
    ],
)
def test_malformed_files(tmp_path: Path, content: bytes, why: str):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=why) as caught:
        Weights.load(path)
    assert str(caught.value.location) == str(path)


def test_missing_file(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        Weights.load(tmp_path / "w.safetensors")
