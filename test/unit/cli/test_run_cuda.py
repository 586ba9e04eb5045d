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
        (["--input", "x=noise.npy"], "noise.npy: error: this is not a .npy file"),
        (["--input", "x=empty.npy"], "empty.npy: error: this is not a .npy file"),
        (["--input", "x=objects.npy"], "objects.npy: error: an array of Python objects, not of"),
        (["--input", "x=archive.npy"], "archive.npy: error: an archive of arrays, not one array"),
        (["--input", "x=cut.npy"], "cut.npy: error: not a whole .npy file"),
        (["--input", "x=huge.npy"], "huge.npy: error: the array is too large"),
        (["--input", "x=m"], "m: error: cannot be read: Is a directory"),
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
    spoil()
    write(Path("m"))
    assert main(["run", "m", *flags]) == 1
    printed = capsys.readouterr()
    assert message in printed.err and not printed.out and "Traceback" not in printed.err
    assert "pickle" not in printed.err, "NumPy's advice is of no use to who runs a command"
    assert not Path("y.npy").exists()


def spoil() -> None:
    """Files that are no array of numbers, in the folder that the command runs in."""
    Path("noise.npy").write_bytes(bytes(range(256)) * 4)
    Path("empty.npy").touch()
    np.save("objects.npy", np.array([{}, 1], object), allow_pickle=True)
    with Path("archive.npy").open("wb") as file:
        np.savez(file, a=np.zeros(3))
    Path("cut.npy").write_bytes(Path("x.npy").read_bytes()[:-4])
    whole = Path("x.npy").read_bytes()
    shape, room = b"(4, 4), }", b" " * 18
    assert whole.count(shape + room) == 1
    huge = b"(100000000000000000, 4), }"
    Path("huge.npy").write_bytes(whole.replace(shape + room, huge.ljust(len(shape + room))))


def test_kernels_for_another_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("einnet.runtime.cuda.artifact.open_device", always(make_device(KERNELS)))
    folder = write(tmp_path / "m", cubins={"sm_80": CUBINS})
    assert main(["run", str(folder)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "kernels for sm_80; Fake GPU is sm_90" in lines[0] and "compile it for" in lines[1]
