"""Artifacts for CUDA: round trip, damage, foreign folders, running them without a GPU."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from fake_device import CONSTANTS, CUBINS, KERNELS, PROGRAM, FakeDevice

from einnet.cli.main import main
from einnet.errors import InputError, ToolchainError
from einnet.runtime.artifact import load_artifact
from einnet.runtime.cuda.artifact import (
    RECORDS,
    VARIANTS,
    best_chip,
    executable,
    load_cuda_artifact,
    write_cuda_artifact,
)
from einnet.runtime.cuda.device import open_device
from einnet.runtime.cuda.records import Environment, Records
from einnet.runtime.folder import CONSTANTS as CONSTANTS_FILE
from einnet.runtime.folder import MANIFEST, write_manifest

SHORT = replace(PROGRAM, steps=PROGRAM.steps[1:])
RECORD = Records(Environment("Fake GPU", "", "13.0", "", "", "tf32"))
MLIR = "module {}"
X = np.arange(16, dtype=np.float32).reshape(4, 4)


def write(folder: Path, **changes: Any) -> Path:
    arguments: dict[str, Any] = {
        "precision": "tf32",
        "chosen": "derived",
        "variants": {"original": SHORT, "derived": PROGRAM},
        "cubins": {"sm_80": CUBINS, "sm_90a": CUBINS},
        "constants": {**CONSTANTS, "unused": np.ones(3, ml_dtypes.bfloat16)},
        "optimized": MLIR,
        "records": RECORD,
        "environment": {"commit": "abc"},
    }
    write_cuda_artifact(folder, **{**arguments, **changes})
    return folder


def test_round_trip(tmp_path: Path) -> None:
    artifact = load_cuda_artifact(write(tmp_path / "m"))
    assert artifact.variants == {"original": SHORT, "derived": PROGRAM}
    assert artifact.program == PROGRAM
    assert artifact.cubins == {"sm_80": CUBINS, "sm_90a": CUBINS}
    assert (artifact.precision, artifact.records) == ("tf32", RECORD)
    assert list(artifact.constants) == ["c0"], "what no variant reads is left out"
    np.testing.assert_array_equal(artifact.constants["c0"], CONSTANTS["c0"])


def test_records_may_be_empty(tmp_path: Path) -> None:
    assert load_cuda_artifact(write(tmp_path / "m", records=None)).records is None


def test_a_variant_runs_from_the_folder(tmp_path: Path) -> None:
    artifact = load_cuda_artifact(write(tmp_path / "m"))
    program = executable(artifact, device=FakeDevice(KERNELS))
    expected = 2 * X + 1 + CONSTANTS["c0"].reshape(4, 4)
    np.testing.assert_array_equal(program.run({"x": X})["y"], expected)
    assert executable(artifact, "original", FakeDevice(KERNELS)).program == SHORT
    with pytest.raises(InputError, match="no variant 'fastest'") as caught:
        executable(artifact, "fastest", FakeDevice(KERNELS))
    assert caught.value.hint == "variants: derived, original"


@pytest.mark.parametrize(
    ("capability", "chip"),
    [
        ((9, 0), "sm_90a"),
        ((8, 0), "sm_80"),
        ((8, 9), "sm_86"),
        ((12, 1), "sm_120"),
        ((10, 3), None),
        ((7, 5), None),
    ],
)
def test_the_best_chip(capability: tuple[int, int], chip: str | None) -> None:
    chips = dict.fromkeys(["sm_80", "sm_86", "sm_90", "sm_90a", "sm_100a", "sm_120", "gfx90a"])
    assert best_chip(chips, capability) == chip


def test_kernels_for_another_gpu_only(tmp_path: Path) -> None:
    artifact = load_cuda_artifact(write(tmp_path / "m", cubins={"sm_80": CUBINS}))
    with pytest.raises(ToolchainError, match="kernels for sm_80; Fake GPU is sm_90") as caught:
        executable(artifact, device=FakeDevice(KERNELS))
    assert caught.value.hint == "compile it for sm_90"


def _append(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(b" ")

    return damage


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _empty_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("{}")


KERNEL = "kernels/sm_80/add.cubin"


@pytest.mark.parametrize(
    ("damage", "message", "at"),
    [
        (_append(VARIANTS), "not the one that the artifact was written with", VARIANTS),
        (_append(KERNEL), "not the one that the artifact was written with", KERNEL),
        (_append(CONSTANTS_FILE), "not the one that the artifact was", CONSTANTS_FILE),
        (_remove(KERNEL), "the artifact lacks this file", KERNEL),
        (_remove(RECORDS), "the artifact lacks this file", RECORDS),
        (_remove(MANIFEST), "not an artifact", "."),
        (_empty_manifest, "damaged", MANIFEST),
        (shutil.rmtree, "no such artifact", "."),
    ],
)
def test_damage_is_located(
    tmp_path: Path, damage: Callable[[Path], object], message: str, at: str
) -> None:
    folder = write(tmp_path / "m")
    damage(folder)
    with pytest.raises(InputError, match=message) as caught:
        load_cuda_artifact(folder)
    assert str(caught.value.location) == str(folder / at)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (VARIANTS, '{"derived": {"name": "main"}}', "not host programs: KeyError"),
        (VARIANTS, "[]", "not a JSON object"),
        (VARIANTS, "{}", "lacks the chosen variant 'derived'"),
        (RECORDS, '{"schema": "other"}', "not records of measurements"),
    ],
)
def test_a_folder_that_something_else_wrote(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    folder = write(tmp_path / "m")
    (folder / name).write_text(content)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).unlink()
    write_manifest(folder, {k: manifest[k] for k in ("target", "chips", "precision", "chosen")})
    with pytest.raises(InputError, match=message) as caught:
        load_cuda_artifact(folder)
    assert str(caught.value.location) == str(folder / name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chosen": "best"}, "no variant 'best'"),
        ({"constants": {}}, "no constant c0"),
        ({"cubins": {"sm_90a": {"scale": b""}}}, "no kernel add"),
        ({"cubins": {"../sm": CUBINS}}, "not a name of a chip"),
    ],
)
def test_what_is_not_whole_is_not_written(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "m", **changes)
    assert not list(tmp_path.iterdir())


def test_an_artifact_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    folder = write(tmp_path / "m")
    write(folder, chosen="original")
    assert load_cuda_artifact(folder).chosen == "original"
    (tmp_path / "precious").mkdir()
    with pytest.raises(InputError, match="not an artifact"):
        write(tmp_path / "precious")


def test_the_cpus_reader_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="compiled for cuda, not for cpu"):
        load_artifact(write(tmp_path / "m"))


def test_the_command_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = FakeDevice(KERNELS)
    monkeypatch.setattr("einnet.runtime.cuda.artifact.open_device", lambda: device)
    folder = write(tmp_path / "m")
    np.save(tmp_path / "x.npy", X)
    files = ["--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    assert main(["run", str(folder), "--device", "cuda", *files]) == 0
    expected = 2 * X + 1 + CONSTANTS["c0"].reshape(4, 4)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)
    assert capsys.readouterr().out.startswith("y: float32 [4, 4] -> ")

    np.save(tmp_path / "x.npy", X[:2])
    assert main(["run", str(folder), *files]) == 1
    error = capsys.readouterr().err
    assert f"{tmp_path / 'x.npy'}: error: input 'x': its shape is [2, 4], not [4, 4]" in error


def test_the_command_without_a_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise ToolchainError("NVIDIA's driver (libcuda) is missing", hint="install it")

    monkeypatch.setattr("einnet.runtime.cuda.artifact.open_device", missing)
    assert main(["run", str(write(tmp_path / "m")), "--device", "cuda"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "einnet: error: NVIDIA's driver (libcuda) is missing",
        "  hint: install it",
    ]


def test_the_device_must_be_the_artifacts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "m")
    assert main(["run", str(folder), "--device", "cpu"]) == 1
    assert f"{folder}: error: the artifact was compiled for cuda, not" in capsys.readouterr().err


def test_this_host(tmp_path: Path) -> None:
    """With a GPU the bytes are no kernel for it; without, the driver or package is missing."""
    command = [sys.executable, "-m", "einnet.cli.main", "run", str(write(tmp_path / "m"))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 2 and "error: " in done.stderr
    assert open_device.cache_info().currsize == 0
