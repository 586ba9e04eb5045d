import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlir import ir

from einnet.errors import InputError, ToolchainError
from einnet.toolchain import mlir

BAD_TYPES = """module {
  func.func @f() -> i32 {
    %0 = arith.constant 1.0 : f32
    return %0 : i32
  }
}"""

# A tensor over memory that may be shared: it verifies, but one-shot-bufferize refuses it.
UNBUFFERIZABLE = """module {
  func.func @f(%m: memref<4xf32>) -> tensor<4xf32> {
    %t = bufferization.to_tensor %m : memref<4xf32> to tensor<4xf32>
    return %t : tensor<4xf32>
  }
}"""


def test_version_is_the_bindings_own():
    assert mlir.version().startswith("22.")


def test_other_major_version_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mlir, "version", lambda: "23.0.0git")
    with pytest.raises(ToolchainError, match=r"version 23\.0\.0git, einnet needs 22") as caught:
        mlir.make_context()
    assert caught.value.hint == mlir.INSTALL


@pytest.mark.parametrize(
    ("failure", "package"),
    [("No module named 'mlir'", "bindings"), ("libLLVM.so.22.1: cannot open", "llvm-tools")],
)
def test_missing_bindings_are_named_with_their_package(failure: str, package: str):
    script = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "mlir":
            raise ImportError({failure!r})
sys.meta_path.insert(0, Missing())
import einnet.errors
try:
    import einnet.toolchain.mlir
except einnet.errors.ToolchainError as error:
    print(error.message, error.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert failure in done.stdout
    assert package in done.stdout


def test_context_knows_every_upstream_dialect_and_nothing_else():
    context = mlir.make_context()
    mlir.parse_module(
        "func.func @f(%x: f32) { %0 = math.tanh %x : f32 nvvm.barrier0 return }", context
    )
    with pytest.raises(InputError, match="unregistered dialect"):
        mlir.parse_module('"alien.op"() : () -> ()', context)
    mlir.parse_module('"alien.op"() : () -> ()', mlir.make_context(allow_unregistered=True))


def test_parse_error_is_located_with_its_notes():
    with pytest.raises(InputError) as caught:
        mlir.parse_module(BAD_TYPES, mlir.make_context(), "model.mlir")
    assert str(caught.value.location) == "model.mlir:4:12"
    assert "expects different type than prior uses: 'i32' vs 'f32'" in caught.value.message
    assert caught.value.hint == "model.mlir:3:5: note: prior use here"


def test_parse_rejects_what_does_not_verify():
    text = '"func.func"() ({}) : () -> ()'
    with pytest.raises(InputError, match="requires attribute"):
        mlir.parse_module(text, mlir.make_context())


def test_pipeline_transforms_in_place():
    context = mlir.make_context()
    module = mlir.parse_module(
        "func.func @f(%x: f32) -> f32 { %0 = arith.negf %x : f32 return %x : f32 }", context
    )
    mlir.run_pipeline(module, "builtin.module(canonicalize)")
    assert "negf" not in str(module)


@pytest.mark.parametrize("pipeline", ["builtin.module(no-such-pass)", "builtin.module(", ""])
def test_pipeline_that_does_not_parse(pipeline: str):
    module = mlir.parse_module("module {}", mlir.make_context())
    with pytest.raises(InputError, match="does not parse"):
        mlir.run_pipeline(module, pipeline)


def test_failing_pass_is_located_and_its_command_reproduces_it():
    module = mlir.parse_module(UNBUFFERIZABLE, mlir.make_context())
    pipeline = "builtin.module(canonicalize,one-shot-bufferize{bufferize-function-boundaries=1})"
    with pytest.raises(mlir.PipelineError) as caught:
        mlir.run_pipeline(module, pipeline, "model.mlir")
    error = caught.value
    assert error.location is not None
    assert (error.location.file, error.location.line) == ("model.mlir", 3)
    assert error.reproduce is not None
    done = subprocess.run(error.reproduce, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert error.message.removeprefix("a pass failed: ") in done.stderr
    os.unlink(error.reproduce.split()[-1])


def test_reproducer_is_written_only_on_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    module = mlir.parse_module("module {}", mlir.make_context())
    mlir.run_pipeline(module, "builtin.module(cse)")
    assert not list(tmp_path.iterdir())
    mlir.reproducing_command("module {}", "builtin.module(cse)")
    (written,) = tmp_path.iterdir()
    assert written.read_text() == "module {}"


def test_location_is_found_inside_names_and_call_sites():
    context = mlir.make_context()
    with context:
        inner = ir.Location.file("layer.mlir", 7, 3)
        nested = ir.Location.callsite(
            ir.Location.name("conv1", inner), [ir.Location.file("caller.mlir", 1, 1)]
        )
        assert str(mlir.locate(nested, "model.mlir")) == "layer.mlir:7:3"
        assert str(mlir.locate(ir.Location.unknown(), "model.mlir")) == "model.mlir"
