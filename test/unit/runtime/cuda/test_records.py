"""Records: what is saved is loaded, in another environment it is a miss, damage is located."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_device import FakeDevice

from einnet.errors import InputError
from einnet.runtime.cuda.records import (
    CallRecord,
    Environment,
    KernelRecord,
    Records,
    environment_of,
    load_records,
    save_records,
)
from einnet.runtime.cuda.timing import GpuSamples

HERE = Environment("Fake GPU", "580.1.2", "13.0", "130000", "91300", "tf32")
RECORDS = Records(
    HERE,
    {"0123456789abcdef": CallRecord({"library": "cublasLt", "bytes": [1, 2]}, 3.5e-6)},
    {"e_1": KernelRecord("e_2", {"e_1": 2e-6, "e_2": 1e-6})},
    {"original": GpuSamples((1.0, 2.0), (3.0,)), "v1": GpuSamples((0.5,))},
)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    save_records(RECORDS, path)
    assert load_records(path) == RECORDS


@pytest.mark.parametrize("field", ["gpu", "driver", "cuda", "cublaslt", "cudnn", "precision"])
def test_another_environment_is_a_miss(field: str) -> None:
    assert RECORDS.algorithms(HERE) == {
        "0123456789abcdef": {"library": "cublasLt", "bytes": [1, 2]}
    }
    assert RECORDS.algorithms(replace(HERE, **{field: "another"})) == {}


def test_environment_of_a_device() -> None:
    environment = environment_of(FakeDevice(), "fp16")
    assert (environment.gpu, environment.cuda) == ("Fake GPU", "13.0")
    assert environment.precision == "fp16"


def changed(**changes: Any) -> str:
    return json.dumps({**RECORDS.to_json(), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "a part of them is missing"),
        (changed(version=2), "the records' version is 2, this einnet reads 1"),
        (changed(environment={"gpu": "x"}), "environment: 'driver' is not a string"),
        (changed(calls={"ab": {"seconds": 1}}), "call ab lacks an algorithm"),
        (changed(calls={"ab": {"algorithm": {}, "seconds": "1"}}), "call ab lacks"),
        (changed(variants={"v": {}}), "variant v: not samples of GPU times"),
    ],
)
def test_damaged_files_are_located(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "records.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_records(path)
    assert str(caught.value.location) == str(path) and caught.value.hint


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_records(tmp_path / "records.json")
