import io
from pathlib import Path

import numpy as np
import onnx
import pytest

import gan  # pyright: ignore[reportMissingImports]
from einnet.errors import InputError
from einnet.frontend.load import load_model
from einnet.frontend.mlir import import_mlir
from einnet.frontend.model import Port
from einnet.weights import Weights

SCALE = """
func.func @scale(%x: tensor<4xf32>, %w: tensor<4xf32> {einnet.weight = "w"}) -> tensor<4xf32> {
  %0 = linalg.mul ins(%x, %w : tensor<4xf32>, tensor<4xf32>) outs(%x : tensor<4xf32>)
    -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
"""
PRIVATE = "func.func private @inner(%x: tensor<4xf32>) -> tensor<4xf32> {return %x: tensor<4xf32>}"
MAIN = "func.func @main(%x: tensor<2xi8>) -> tensor<2xi8> { return %x : tensor<2xi8> }"


def test_mlir_text_keeps_its_function(tmp_path: Path):
    path = tmp_path / "scale.mlir"
    path.write_text(SCALE)
    model = load_model(path)
    assert model.entry == "scale"
    assert "func.func @scale" in model.mlir
    assert model.inputs == (Port("arg0", (4,), "f32"),)
    assert model.outputs == (Port("result0", (4,), "f32"),)
    assert len(model.weights) == 0


def test_weights_come_from_the_file_beside(tmp_path: Path):
    path = tmp_path / "scale.mlir"
    path.write_text(SCALE)
    weights = {"unused": np.zeros(1, np.float32), "w": np.arange(4, dtype=np.float32)}
    Weights(weights).save(tmp_path / "scale.safetensors")
    loaded = load_model(path).weights
    assert list(loaded) == ["w"]
    np.testing.assert_array_equal(loaded["w"], weights["w"])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5, np.float32), r"'w' is float32\[5\], the function takes f32\[4\]"),
        (np.zeros(4, np.float16), r"'w' is float16\[4\], the function takes f32\[4\]"),
        (None, "weight 'w' is missing"),
    ],
)
def test_weights_that_do_not_fit(
    tmp_path: Path, array: np.ndarray[tuple[int], np.dtype[np.float32]] | None, message: str
):
    path = tmp_path / "scale.mlir"
    path.write_text(SCALE)
    Weights({} if array is None else {"w": array}).save(tmp_path / "scale.safetensors")
    with pytest.raises(InputError, match=message) as caught:
        load_model(path)
    assert str(caught.value.location) == str(tmp_path / "scale.safetensors")


def test_entry_function():
    assert import_mlir("-", SCALE + PRIVATE).entry == "scale"
    assert import_mlir("-", SCALE + MAIN).entry == "main"
    assert import_mlir("-", SCALE + MAIN, entry="scale").entry == "scale"
    with pytest.raises(InputError, match="not clear") as caught:
        import_mlir("-", SCALE + SCALE.replace("@scale", "@other"))
    assert "@scale, @other" in (caught.value.hint or "")
    with pytest.raises(InputError, match="no function @nope"):
        import_mlir("-", SCALE, entry="nope")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not clear"),
        (f"module {{ module {{ {MAIN} }} }}", "not clear"),
        (MAIN.replace("%x:", "%y: tensor<1xi8> {einnet.name = 3}, %x:"), "not a name in quotes"),
        (MAIN.replace("%x:", "%y: f32, %x:"), "type f32, not a tensor"),
        (
            MAIN.replace(
                "%x: tensor<2xi8>", '%y: tensor<1xi8> {einnet.name = "arg1"}, %x: tensor<2xi8>'
            ),
            "two inputs of @main have the name 'arg1'",
        ),
    ],
)
def test_functions_that_are_no_model(text: str, message: str):
    with pytest.raises(InputError, match=message) as caught:
        import_mlir("m.mlir", text)
    assert caught.value.location is not None and caught.value.location.file == "m.mlir"


def test_dynamic_shapes_are_refused():
    text = SCALE.replace("4xf32", "?xf32")
    with pytest.raises(InputError, match=r"'arg0' of @scale has type tensor<\?xf32>"):
        import_mlir("-", text)


def test_text_that_does_not_parse(tmp_path: Path):
    path = tmp_path / "bad.mlir"
    path.write_text("module {\n  what\n}")
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert str(caught.value.location) == f"{path}:2:3"


def typed(content: bytes) -> io.TextIOWrapper:
    """A standard input."""
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")


def test_standard_input(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", typed(MAIN.encode()))
    model = load_model("-")
    assert model.inputs == (Port("arg0", (2,), "i8"),)
    monkeypatch.setattr("sys.stdin", typed(b"nonsense"))
    with pytest.raises(InputError) as caught:
        load_model("-")
    assert str(caught.value.location) == "<stdin>:1:1"
    monkeypatch.setattr("sys.stdin", typed(b"\xff\xfe"))
    with pytest.raises(InputError, match="not text") as caught:
        load_model("-")
    assert str(caught.value.location) == "<stdin>"
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="closed"):
        load_model("-")


@pytest.mark.parametrize("suffix", [".mlir", ".onnx", ""])
def test_a_name_that_no_file_can_have(suffix: str):
    with pytest.raises(InputError, match="there is no such file"):
        load_model("a" * 300 + suffix)


def test_an_onnx_model_may_have_the_longest_name(tmp_path: Path):
    path = tmp_path / f"{'g' * 250}.onnx"
    onnx.save(gan.build("g", (gan.Layer(2, 3, 2, 1, 0),), 2, 0), path)
    assert load_model(path).inputs[0].shape == (2, 2, 1, 1)


def test_an_imported_onnx_model_can_be_saved_and_loaded(tmp_path: Path):
    onnx.save(gan.build("g", (gan.Layer(2, 3, 2, 1, 0),), None, 0), tmp_path / "g.onnx")
    model = load_model(tmp_path / "g.onnx", batch=2)
    (tmp_path / "g.mlir").write_text(model.mlir)
    model.weights.save(tmp_path / "g.safetensors")
    again = load_model(tmp_path / "g.mlir")
    assert (again.mlir, again.weights, again.inputs, again.outputs) == (
        model.mlir,
        model.weights,
        model.inputs,
        model.outputs,
    )


def test_what_is_not_a_model_lists_what_is(tmp_path: Path):
    (tmp_path / "model.pt").write_bytes(b"")
    (tmp_path / "model").write_bytes(b"")
    (tmp_path / "code.mlir").write_bytes(b"ML\xefR\x0dMLIR22")
    for name, message in [
        ("absent.onnx", "no such file"),
        ("model.pt", "files of type .pt are not models"),
        ("model", "files without a suffix"),
        (".", "a folder"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            load_model(tmp_path / name)
        assert ".onnx" in (caught.value.hint or "")
    with pytest.raises(InputError, match="bytecode is not accepted") as caught:
        load_model(tmp_path / "code.mlir")
    assert "mlir-opt" in (caught.value.hint or "")


def test_options_of_the_other_kind(tmp_path: Path):
    path = tmp_path / "m.mlir"
    path.write_text(MAIN)
    with pytest.raises(InputError, match="shapes of an MLIR module are fixed"):
        load_model(path, batch=4)
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(InputError, match="no function @f"):
        load_model(tmp_path / "m.onnx", entry="f")
