"""`einnet run` of an artifact for a GPU: inputs and GPUs that are not what it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gpu_artifacts import CUBINS, KERNELS, make_device, write

from einnet.cli.main import main


def always(value: object) -> Callable[[], object]:
    return lambda: value


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--input", "x=wide.npy"],
            "wide.npy: error: input 'x': its dtype is float64, not float32",
        ),
        (["--input", "x=flat.npy"], "flat.npy: error: input 'x': its shape is [16], not [4, 4]"),
        (["--input", "z=x.npy"], "--input: there is no 'z'"),
        (["--input", "x=no.npy"], "no.npy: error: cannot be read"),
        (["--input", "x=x.npy", "--output", "z=y.npy"], "--output: there is no 'z'"),
        (["--input", "x=x.npy", "--output", "no/y.npy"], "no/y.npy: error: cannot be written"),
        ([], "input 'x' is missing"),
    ],
)
def test_wrong_inputs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    monkeypatch.setattr("einnet.runtime.cuda.artifact.open_device", always(make_device(KERNELS)))
    monkeypatch.chdir(tmp_path)
    for name, array in [
        ("x", np.zeros((4, 4), np.float32)),
        ("wide", np.zeros((4, 4))),
        ("flat", np.zeros(16, np.float32)),
    ]:
        np.save(f"{name}.npy", array)
    write(Path("m"))
    assert main(["run", "m", *flags]) == 1
    printed = capsys.readouterr()
    assert message in printed.err and not printed.out and "Traceback" not in printed.err
    assert not Path("y.npy").exists()


def test_kernels_for_another_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("einnet.runtime.cuda.artifact.open_device", always(make_device(KERNELS)))
    folder = write(tmp_path / "m", cubins={"sm_80": CUBINS})
    assert main(["run", str(folder)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "kernels for sm_80; Fake GPU is sm_90" in lines[0] and "compile it for" in lines[1]
