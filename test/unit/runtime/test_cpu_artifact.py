"""Artifacts: what is written is what is loaded, and what was tampered with is not."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from einnet.cli.main import main
from einnet.codegen.cpu.library import build_library
from einnet.codegen.cpu.lower import Lowered, lower
from einnet.codegen.cpu.target import Target, make_target
from einnet.errors import InputError
from einnet.runtime.artifact import LOWERED, Library, load_artifact, write_artifact
from einnet.runtime.folder import CONSTANTS, MANIFEST, is_artifact, require_destination
from einnet.runtime.program import jit_program
from einnet.weights import Weights

MODULE = """
func.func @prepare(%w: tensor<3x4xf32> {einnet.weight = "w"}) -> tensor<4x3xf32> {
  %e = tensor.empty() : tensor<4x3xf32>
  %t = linalg.transpose ins(%w : tensor<3x4xf32>) outs(%e : tensor<4x3xf32>) permutation = [1, 0]
  return %t : tensor<4x3xf32>
}
func.func @main(%x: tensor<2x4xf32> {einnet.name = "x"},
    %t: tensor<4x3xf32> {einnet.constant = 0 : i64},
    %b: tensor<3xf32> {einnet.weight = "bias"}) -> (tensor<2x3xf32> {einnet.name = "y"}) {
  %e = tensor.empty() : tensor<2x3xf32>
  %c = linalg.broadcast ins(%b : tensor<3xf32>) outs(%e : tensor<2x3xf32>) dimensions = [0]
  %y = linalg.matmul {einnet.library = "blas"}
    ins(%x, %t : tensor<2x4xf32>, tensor<4x3xf32>) outs(%c : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}"""
WEIGHTS = {
    "w": np.arange(12, dtype=np.float32).reshape(3, 4),
    "bias": np.array([1, 2, 3], np.float32),
}
X = np.arange(8, dtype=np.float32).reshape(2, 4)
Y = X @ WEIGHTS["w"].T + WEIGHTS["bias"]


@pytest.fixture(scope="module")
def lowered() -> Lowered:
    return lower(MODULE)


@pytest.fixture(scope="module")
def library(lowered: Lowered, tmp_path_factory: pytest.TempPathFactory) -> Library:
    path = tmp_path_factory.mktemp("library") / "program.so"
    return Library(path, build_library(lowered, path))


def _write(folder: Path, lowered: Lowered, library: Library | None = None) -> Path:
    stored = [WEIGHTS["w"].T.copy(), WEIGHTS["bias"]]
    write_artifact(
        folder,
        optimized=MODULE,
        lowered=lowered,
        stored=stored,
        library=library,
        trace={"steps": []},
    )
    return folder


def test_prepared_constants(lowered: Lowered) -> None:
    program = jit_program(lowered, WEIGHTS)
    np.testing.assert_array_equal(program.run({"x": X})["y"], Y)


def test_a_missing_weight_is_named(lowered: Lowered) -> None:
    with pytest.raises(InputError, match="the weight 'bias' is missing"):
        jit_program(lowered, {"w": WEIGHTS["w"]})


@pytest.mark.parametrize("engine", ["library", "jit"])
def test_round_trip(tmp_path: Path, lowered: Lowered, library: Library, engine: str) -> None:
    folder = tmp_path / "model.einnet"
    program = load_artifact(_write(folder, lowered, library if engine == "library" else None))
    assert program.engine == engine
    assert program.signature == lowered.main
    np.testing.assert_array_equal(program.run({"x": X})["y"], Y)
    np.testing.assert_array_equal(program(X)[0], Y)


def test_a_library_for_another_cpu_is_not_run(
    tmp_path: Path, lowered: Lowered, library: Library
) -> None:
    foreign = Target(library.target.machine, "future", frozenset({"avx4096"}))
    program = load_artifact(_write(tmp_path / "m", lowered, Library(library.path, foreign)))
    assert program.engine == "jit"
    np.testing.assert_array_equal(program(X)[0], Y)


def test_a_library_runs_without_mlir(tmp_path: Path, lowered: Lowered, library: Library) -> None:
    folder = _write(tmp_path / "m", lowered, library)
    script = f"""
import sys
from pathlib import Path
import numpy as np
from einnet.runtime.artifact import load_artifact
program = load_artifact(Path({str(folder)!r}))
print(program(np.arange(8, dtype=np.float32).reshape(2, 4))[0].sum())
assert "mlir" not in sys.modules and "safetensors" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, float(done.stdout or 0)) == (0, Y.sum()), done.stderr


def test_constants_are_mapped_not_copied(tmp_path: Path, lowered: Lowered) -> None:
    folder = _write(tmp_path / "m", lowered)
    constant = Weights.load(folder / CONSTANTS)["constant/0"]
    assert not constant.flags.owndata and not constant.flags.writeable
    np.testing.assert_array_equal(constant, WEIGHTS["w"].T)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'x' is missing"),
        ({"x": X, "z": X}, "'z' is no input"),
        ({"x": X.T.copy()}, "input 'x': its shape is"),
        ({"x": X.astype(np.float64)}, "input 'x': its dtype is float64"),
    ],
)
def test_wrong_inputs(lowered: Lowered, inputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        jit_program(lowered, WEIGHTS).run(inputs)


def test_an_artifact_is_replaced_and_nothing_else_is(tmp_path: Path, lowered: Lowered) -> None:
    folder = _write(tmp_path / "m", lowered)
    (folder / "left-over").touch()
    _write(folder, lowered)
    assert not (folder / "left-over").exists()
    other = tmp_path / "precious"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not an artifact"):
        _write(other, lowered)
    assert (other / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "precious"]


def test_a_write_that_fails_keeps_the_old_artifact(
    tmp_path: Path, lowered: Lowered, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _write(tmp_path / "m", lowered)
    rename = Path.rename

    def broken(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(InputError, match="No space left"):
        _write(folder, lowered)
    load_artifact(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_destinations(tmp_path: Path, lowered: Lowered) -> None:
    require_destination(_write(tmp_path / "m", lowered))
    require_destination(tmp_path / "new" / "m")
    (tmp_path / "file").touch()
    for folder in (tmp_path, tmp_path / "file", tmp_path / "file" / "m"):
        with pytest.raises(InputError) as caught:
            require_destination(folder)
        assert str(caught.value.location) == str(folder)


def test_a_failed_write_leaves_nothing(tmp_path: Path, lowered: Lowered) -> None:
    with pytest.raises(ValueError, match="zip"):
        write_artifact(tmp_path / "m", optimized="", lowered=lowered, stored=[])
    assert list(tmp_path.iterdir()) == []


def test_damage_is_found(tmp_path: Path, lowered: Lowered) -> None:
    folder = _write(tmp_path / "m", lowered)
    constants = folder / CONSTANTS
    whole = constants.read_bytes()
    for damaged in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
        constants.write_bytes(damaged)
        with pytest.raises(InputError, match="not the one that the artifact was written with"):
            load_artifact(folder)
    constants.write_bytes(whole)
    (folder / LOWERED).unlink()
    with pytest.raises(InputError, match="lacks this file"):
        load_artifact(folder)


def test_what_is_no_artifact(tmp_path: Path, lowered: Lowered) -> None:
    with pytest.raises(InputError, match="no such artifact"):
        load_artifact(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not an artifact"):
        load_artifact(tmp_path)
    folder = _write(tmp_path / "m", lowered)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"version": 99}))
    assert is_artifact(folder)
    with pytest.raises(InputError, match="version is 99"):
        load_artifact(folder)
    (folder / MANIFEST).write_text("{")
    with pytest.raises(InputError, match="damaged"):
        load_artifact(folder)


def test_an_edited_manifest_is_found(tmp_path: Path, lowered: Lowered) -> None:
    folder = _write(tmp_path / "m", lowered)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest))
    load_artifact(folder)
    # Code that finds a smaller workspace than it was compiled for writes over its end.
    manifest["main"]["workspace"] = [1]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="not the one") as caught:
        load_artifact(folder)
    assert str(caught.value.location) == str(folder / MANIFEST)


def test_targets() -> None:
    assert make_target().runs_here()
    with pytest.raises(InputError, match="unknown CPU 'z80'"):
        make_target("z80")


def test_the_command_refuses_another_device(
    tmp_path: Path, lowered: Lowered, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _write(tmp_path / "m", lowered)
    assert main(["run", str(folder), "--device", "cuda"]) == 1
    assert f"{folder}: error: the artifact was compiled for cpu, not for cuda" in (
        capsys.readouterr().err
    )


def test_the_command_runs_it(tmp_path: Path, lowered: Lowered) -> None:
    folder = _write(tmp_path / "m", lowered)
    np.save(tmp_path / "x.npy", X)
    files = ["--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    assert main(["run", str(folder), "--device", "cpu", *files]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), Y)
