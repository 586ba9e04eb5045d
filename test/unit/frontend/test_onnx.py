"""Importing ONNX: meaning against onnx.reference, names, sizes, and every refusal."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import scalar_loops
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import gan  # pyright: ignore[reportMissingImports]
from einnet.errors import InputError, ToolchainError
from einnet.frontend.model import ImportedModel, Port
from einnet.frontend.onnx import import_onnx
from einnet.toolchain.child import ChildError, Outcome

TINY = (gan.Layer(5, 6, 2, 1, 0), gan.Layer(6, 4, 4, 2, 1), gan.Layer(4, 3, 4, 2, 1))

Save = Callable[[onnx.ModelProto], Path]


@pytest.fixture(autouse=True)
def scratch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reproducers of failures go where pytest cleans up."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(model: onnx.ModelProto) -> Path:
        path = tmp_path / "model.onnx"
        onnx.save(model, path)
        return path

    return write


def random(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def single(
    node: onnx.NodeProto,
    inputs: dict[str, Sequence[int | str]],
    output: Sequence[int | str],
    constants: dict[str, np.ndarray[Any, Any]] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    """A model of one node with the result `y`."""
    graph = helper.make_graph(
        [node],
        "single",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in inputs.items()
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def assert_same_meaning(model: onnx.ModelProto, imported: ImportedModel, x: np.ndarray[Any, Any]):
    (result,) = ReferenceEvaluator(model).run(None, {imported.inputs[0].name: x})
    reference = np.asarray(result, np.float32)
    np.testing.assert_allclose(scalar_loops.run(imported, [x]), reference, rtol=0, atol=1e-5)


def test_generator_computes_what_onnx_says(save: Save):
    model = gan.build("tiny", TINY, 2, 0)
    imported = import_onnx(save(model))
    assert imported.entry == "main"
    assert imported.inputs == (Port("latent", (2, 5, 1, 1), "f32"),)
    assert imported.outputs == (Port("image", (2, 3, 8, 8), "f32"),)
    assert_same_meaning(model, imported, random(2, 5, 1, 1))


def test_weights_are_arguments_in_order_of_use(save: Save):
    model = gan.build("tiny", TINY, 1, 0)
    imported = import_onnx(save(model))
    expected = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    assert list(imported.weights) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(imported.weights[name], array)
        assert f'{{einnet.weight = "{name}"}}' in imported.mlir
    assert '{einnet.name = "latent"}' in imported.mlir
    assert '{einnet.name = "image"}' in imported.mlir
    assert "ml_program" not in imported.mlir


def test_shape_like_and_scalar_constants_stay_inside(save: Save):
    nodes = [
        helper.make_node("Mul", ["x", "half"], ["scaled"]),
        helper.make_node("Resize", ["scaled", "", "scales"], ["large"], mode="nearest"),
        helper.make_node("Conv", ["large", "kernel", "bias"], ["convolved"]),
        helper.make_node("Reshape", ["convolved", "shape"], ["y"]),
    ]
    constants: dict[str, np.ndarray[Any, Any]] = {
        "half": np.array(0.5, np.float32),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "kernel": random(1, 2, 1, 1),
        "bias": random(1),
        "shape": np.array([1, 16], np.int64),
    }
    model = single(nodes[0], {"x": [1, 2, 2, 2]}, [1, 16], constants)
    model.graph.node.extend(nodes[1:])
    imported = import_onnx(save(model))
    assert list(imported.weights) == ["kernel", "bias"]
    assert_same_meaning(model, imported, random(1, 2, 2, 2))


def test_weights_in_constant_nodes_and_large_ones_anywhere(save: Save):
    table = random(8, 8)
    nodes = [
        helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(random(8, 3))),
        helper.make_node("Add", ["x", "table"], ["sum"]),
        helper.make_node("MatMul", ["sum", "w"], ["y"]),
    ]
    model = single(nodes[0], {"x": [8, 8]}, [8, 3], {"table": table})
    model.graph.node.extend(nodes[1:])
    imported = import_onnx(save(model))
    assert list(imported.weights) == ["table", "w"]
    assert_same_meaning(model, imported, random(8, 8, seed=1))


def test_old_model_with_initialized_inputs_is_converted(save: Save):
    """Operator set 6 and file format 3, where every initializer is an input too."""
    constants = {name: np.abs(random(3, seed=index)) for index, name in enumerate("sbmv")}
    inputs: dict[str, Sequence[int | str]] = {"x": [2, 3, 4, 4]}
    inputs |= {name: [3] for name in constants}
    node = helper.make_node("BatchNormalization", ["x", *constants], ["normalized"])
    model = single(node, inputs, [6, 16], constants, opset=6)
    model.graph.node.append(helper.make_node("Reshape", ["normalized", "shape"], ["y"]))
    shape = numpy_helper.from_array(np.array([6, 16], np.int64), "shape")
    model.graph.initializer.append(shape)
    model.graph.input.append(helper.make_tensor_value_info("shape", TensorProto.INT64, [2]))
    model.ir_version = 3
    imported = import_onnx(save(model))
    assert [port.name for port in imported.inputs] == ["x"]
    assert list(imported.weights) == list(constants)
    del model.graph.input[1:]
    model.opset_import[0].version = 17
    assert_same_meaning(model, imported, random(2, 3, 4, 4, seed=9))


def test_weights_in_a_file_beside_the_model(tmp_path: Path):
    model = gan.build("tiny", TINY, 1, 0)
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="model.data", size_threshold=0)
    imported = import_onnx(path)
    assert imported.weights["layer0.weight"].shape == (5, 6, 2, 2)
    (tmp_path / "model.data").unlink()
    with pytest.raises(InputError, match="external data cannot be read"):
        import_onnx(path)


def test_local_functions_are_inlined(save: Save):
    body = [helper.make_node("Relu", ["a"], ["b"])]
    model = single(helper.make_node("Positive", ["x"], ["y"], domain="mine"), {"x": [4]}, [4])
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("mine", "Positive", ["a"], ["b"], body, opsets))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    assert import_onnx(save(model)).outputs == (Port("y", (4,), "f32"),)


@pytest.mark.parametrize("read", [False, True])
def test_only_unread_globals_are_erased(save: Save, monkeypatch: pytest.MonkeyPatch, read: bool):
    """torch-mlir's seed of random numbers, which it leaves in some modules."""
    load = "%seed = ml_program.global_load @global_seed : tensor<i64>" if read else ""
    text = f"""
        ml_program.global private mutable @global_seed(dense<0> : tensor<i64>) : tensor<i64>
        func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {{ {load} return %x : tensor<4xf32> }}
    """

    def compiled(*_: object) -> str:
        return text

    monkeypatch.setattr("einnet.frontend.onnx._compile", compiled)
    model = single(helper.make_node("Identity", ["x"], ["y"]), {"x": [4]}, [4])
    assert ("@global_seed" in import_onnx(save(model)).mlir) == read


def test_attention_is_expanded(save: Save):
    node = helper.make_node("Attention", ["x", "x", "x"], ["y"], is_causal=1)
    model = single(node, {"x": [1, 2, 4, 8]}, [1, 2, 4, 8], opset=23)
    assert_same_meaning(model, import_onnx(save(model)), random(1, 2, 4, 8))


# ---- batch and static shapes


def test_symbolic_batch_needs_a_size(save: Save):
    path = save(gan.build("tiny", TINY, None, 0))
    with pytest.raises(InputError, match="dynamic shape Nx5x1x1") as caught:
        import_onnx(path)
    assert "--batch" in (caught.value.hint or "")
    imported = import_onnx(path, batch=3)
    assert imported.inputs[0].shape == (3, 5, 1, 1)
    assert imported.outputs[0].shape == (3, 3, 8, 8)


def test_batch_replaces_symbols_of_other_names(save: Save):
    node = helper.make_node("Relu", ["x"], ["y"])
    assert import_onnx(save(single(node, {"x": ["N", 4]}, ["M", 4])), batch=2).outputs == (
        Port("y", (2, 4), "f32"),
    )


def test_fixed_batch_cannot_be_changed(save: Save):
    path = save(gan.build("tiny", TINY, 2, 0))
    assert import_onnx(path, batch=2).inputs[0].shape[0] == 2
    with pytest.raises(InputError, match="fixed at 2, not 4"):
        import_onnx(path, batch=4)
    for size in (0, 2**31, 10**20):
        with pytest.raises(InputError, match=f"batch size {size} is not from 1 to {2**31 - 1}"):
            import_onnx(path, batch=size)


def test_other_symbolic_sizes_are_refused(save: Save):
    node = helper.make_node("Relu", ["x"], ["y"])
    with pytest.raises(InputError, match="dynamic shape 2x3xH") as caught:
        import_onnx(save(single(node, {"x": ["N", 3, "H"]}, ["N", 3, "H"])), batch=2)
    assert "update_model_dims" in (caught.value.hint or "")


@pytest.mark.parametrize("size", [0, -3])
def test_sizes_that_are_not_positive_are_shown(save: Save, size: int):
    node = helper.make_node("Relu", ["x"], ["y"])
    message = f"a size that is not positive: 2x3x{size}x4"
    with pytest.raises(InputError, match=message):
        import_onnx(save(single(node, {"x": [2, 3, size, 4]}, [2, 3, size, 4])))


def test_data_dependent_shape_names_its_node(save: Save):
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="first"),
        helper.make_node("NonZero", ["r"], ["z"], name="find"),
        helper.make_node("Cast", ["z"], ["y"], name="last", to=TensorProto.FLOAT),
    ]
    model = single(nodes[0], {"x": [4]}, [1, "K"])
    model.graph.node.extend(nodes[1:])
    with pytest.raises(InputError, match=r"node 'find' \(NonZero\)"):
        import_onnx(save(model))


# ---- what is refused


def test_missing_file(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        import_onnx(tmp_path / "absent.onnx")


@pytest.mark.parametrize("content", ["cut", "empty", "text"])
def test_what_is_not_a_model(tmp_path: Path, content: str):
    whole = gan.build("tiny", TINY, 1, 0).SerializeToString()
    data = {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"module {}"}[content]
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(InputError, match="not an ONNX model") as caught:
        import_onnx(path)
    assert str(caught.value.location) == str(path)


def test_unknown_operators_and_attributes_name_their_node(save: Save):
    def refused(node: onnx.NodeProto) -> str:
        model = single(node, {"x": [4]}, [4])
        model.opset_import.append(helper.make_opsetid("com.example", 1))
        with pytest.raises(InputError) as caught:
            import_onnx(save(model))
        return caught.value.message

    foreign = helper.make_node("Fast", ["x"], ["y"], name="f", domain="com.example")
    assert refused(foreign) == "node 'f' (com.example.Fast) is not one of ONNX's own operators"
    unknown = helper.make_node("Reluu", ["x"], ["y"])
    assert refused(unknown) == "node 'Reluu_0' (Reluu) does not exist in operator set 17"
    attribute = helper.make_node("Relu", ["x"], ["y"], name="act", slope=0.5)
    assert "node 'act' (Relu) has the attribute 'slope'" in refused(attribute)


def test_future_operator_set(save: Save):
    model = single(helper.make_node("Relu", ["x"], ["y"]), {"x": [4]}, [4], opset=999)
    with pytest.raises(InputError, match="operator set 999"):
        import_onnx(save(model))


def test_wrong_types_are_refused_by_onnx(save: Save):
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    model = single(node, {"x": [2, 3], "w": [4, 5]}, [2, 5])
    with pytest.raises(InputError, match="not valid ONNX"):
        import_onnx(save(model))


def test_operator_without_a_pattern_names_its_node(save: Save):
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("RMSNormalization", ["r", "s"], ["y"], name="norm7"),
    ]
    model = single(nodes[0], {"x": [2, 4], "s": [4]}, [2, 4], opset=23)
    model.graph.node.append(nodes[1])
    with pytest.raises(InputError, match=r"node 'norm7' \(RMSNormalization\)") as caught:
        import_onnx(save(model))
    assert "torch-mlir-opt" in (caught.value.reproduce or "")


def test_lowering_failure_names_its_node(save: Save):
    """The second of three nodes has a slope that does not broadcast; torch-mlir finds out late."""
    slopes = {"a": random(1), "b": random(3), "c": random(1)}
    names = ["x", "p", "q", "y"]
    nodes = [
        helper.make_node("PRelu", [names[index], slope], [names[index + 1]], name=f"act_{slope}")
        for index, slope in enumerate(slopes)
    ]
    model = single(nodes[0], {"x": [2, 3, 4]}, [2, 3, 4], slopes)
    model.graph.node.extend(nodes[1:])
    with pytest.raises(InputError, match=r"node 'act_b' \(PRelu\).*linalg\.generic"):
        import_onnx(save(model))


def test_operators_outside_mlir(save: Save):
    node = helper.make_node("CumSum", ["x", "axis"], ["y"], name="sums")
    model = single(node, {"x": [8]}, [8], {"axis": np.array(0, np.int64)})
    with pytest.raises(InputError, match=r"node 'sums' \(CumSum\) becomes tm_tensor\.scan, which"):
        import_onnx(save(model))


def test_limit_of_torch_mlir_is_refused_by_name(save: Save):
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="up", group=4)
    model = single(node, {"x": [1, 4, 3, 3]}, [1, 4, 4, 4], {"w": random(4, 1, 2, 2)})
    with pytest.raises(InputError, match=r"node 'up' \(ConvTranspose\): depthwise transposed"):
        import_onnx(save(model))


def test_hanging_importer_is_killed(save: Save):
    with pytest.raises(ToolchainError, match=r"did not end within 0\.01 s") as caught:
        import_onnx(save(gan.build("tiny", TINY, 1, 0)), time_limit=0.01)
    assert "torch_mlir.tools.import_onnx" in (caught.value.reproduce or "")


def test_crash_of_torch_mlir_is_an_error(save: Save):
    """An einsum without indices makes torch-mlir-opt allocate without bound."""
    node = helper.make_node("Einsum", ["x"], ["y"], equation="->")
    with pytest.raises(ChildError) as caught:
        import_onnx(save(single(node, {"x": []}, [])))
    assert caught.value.outcome is Outcome.OUT_OF_MEMORY
    assert "model.onnx" in str(caught.value.location)
