"""What `einnet-optimize` leaves alone in a module, and what a function keeps."""

from __future__ import annotations

import pytest
from mlir import ir
from mlir.dialects import func

from einnet import driver
from einnet.errors import InputError, ToolchainError
from einnet.expr.program import Program
from einnet.passes.pipeline import parse_pipeline
from einnet.toolchain.mlir import make_context, parse_module
from einnet.verify.equivalence import Undecided

PRODUCT = """
func.func private @product(%a: tensor<4x6xf32> {{test.a = 1 : i32}} loc("here"),
    %b: tensor<6x5xf32>) -> (tensor<4x5xf32> {{test.r}}, tensor<6x5xf32>)
    attributes {{test.fn = [1, 2]}} {{
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<4x5xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%empty : tensor<4x5xf32>) -> tensor<4x5xf32>
  %n = "foo.effect"() : () -> i32 loc("first")
  %c = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>)
      outs(%fill : tensor<4x5xf32>) -> tensor<4x5xf32> loc("times")
  "foo.effect"() : () -> () loc("second")
  %d = "foo.bar"(%b) {{x = 1}} : (tensor<6x5xf32>) -> tensor<6x5xf32>
  {0}
}} loc("function")
"""

OTHERS = """
  func.func private @external(tensor<4xf32>) -> tensor<4xf32> attributes {test.ext}
  func.func @dynamic(%a: tensor<?x4xf32>, %b: tensor<4x8xf32>, %c: tensor<?x8xf32>)
      -> tensor<?x8xf32> {
    %0 = linalg.matmul ins(%a, %b : tensor<?x4xf32>, tensor<4x8xf32>) outs(%c : tensor<?x8xf32>)
        -> tensor<?x8xf32>
    return %0 : tensor<?x8xf32>
  }
  func.func @blocks(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>, %c: tensor<4x5xf32>, %p: i1)
      -> tensor<4x5xf32> {
    cf.cond_br %p, ^bb1(%c : tensor<4x5xf32>), ^bb2
  ^bb1(%x: tensor<4x5xf32>):
    return %x : tensor<4x5xf32>
  ^bb2:
    %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%c : tensor<4x5xf32>)
        -> tensor<4x5xf32>
    return %0 : tensor<4x5xf32>
  }
  func.func @tagged(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>, %c: tensor<4x5xf32>)
      -> tensor<4x5xf32> {
    %0 = linalg.matmul {einnet.library = "blas"} ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>)
        outs(%c : tensor<4x5xf32>) -> tensor<4x5xf32>
    return %0 : tensor<4x5xf32>
  }
  func.func @unreachable(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>, %c: tensor<4x5xf32>) {
    %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%c : tensor<4x5xf32>)
        -> tensor<4x5xf32>
    "foo.exit"(%0) : (tensor<4x5xf32>) -> ()
  }
  "foo.top"() ({ "foo.x"() : () -> () }) {y = @product} : () -> ()
  module @inner {
    func.func @product(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>, %c: tensor<4x5xf32>)
        -> tensor<4x5xf32> {
      %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%c : tensor<4x5xf32>)
          -> tensor<4x5xf32>
      return %0 : tensor<4x5xf32>
    }
  }
  func.func @negated(%x: tensor<4xf32>) -> tensor<4xf32> {
    %empty = tensor.empty() : tensor<4xf32>
    %y = linalg.negf ins(%x : tensor<4xf32>) outs(%empty : tensor<4xf32>) -> tensor<4xf32>
    %z = call @external(%y) : (tensor<4xf32>) -> tensor<4xf32>
    return %z : tensor<4xf32>
  }
"""

RETURN = "return %c, %d : tensor<4x5xf32>, tensor<6x5xf32>"
HEAD = 'module @outer attributes {test.note = "kept"} {'
MODULE = f"{HEAD}{PRODUCT.format(RETURN)}{OTHERS}}}"

WEIGHTED = """
func.func @NAME(%x: tensor<1x16x8x8xf32> {einnet.name = "x"},
                %w: tensor<8x16x3x3xf32> {einnet.weight = "NAME.w"}) -> tensor<1x8x6x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x8x6x6xf32>
  %y = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x16x8x8xf32>, tensor<8x16x3x3xf32>)
      outs(%zero : tensor<1x8x6x6xf32>) -> tensor<1x8x6x6xf32>
  return %y : tensor<1x8x6x6xf32>
}
"""


PLAIN = """
func.func @main(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x5xf32>
  %c = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>)
      outs(%zero : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %c : tensor<4x5xf32>
}"""


def run(text: str, options: str = "measure=false") -> ir.Module:
    context = make_context(allow_unregistered=True)
    module = parse_module(text, context)
    return parse_pipeline(f"builtin.module(einnet-optimize{{{options}}})", context).run(module)


def located(operation: ir.OpView) -> str:
    return str(operation.operation.get_asm(enable_debug_info=True, use_local_scope=True))


def functions(module: ir.Module) -> dict[str, func.FuncOp]:
    return {f.name.value: f for f in module.body.operations if isinstance(f, func.FuncOp)}


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_all_else_stays_to_the_byte(target: str) -> None:
    # The second is a GPU's: it has no kernel for what is unknown in @product.
    before = parse_module(MODULE, make_context(allow_unregistered=True))
    after = run(MODULE, f"target={target} measure=false")
    assert after.operation.attributes["test.note"] == ir.Attribute.parse('"kept"', after.context)
    pairs = list(zip(before.body.operations, after.body.operations, strict=True))
    changed = [n for n, (old, new) in enumerate(pairs) if located(old) != located(new)]
    assert changed == ([0] if target == "cpu" else [])


def test_the_function_keeps_what_it_is_beside_its_body() -> None:
    module = run(MODULE)  # which has to outlive its functions
    function = functions(module)["product"]
    assert function.visibility.value == "private"
    assert function.attributes["test.fn"] == ir.Attribute.parse("[1, 2]", function.context)
    assert "test.a" in ir.DictAttr(ir.ArrayAttr(function.attributes["arg_attrs"])[0])
    assert "test.r" in ir.DictAttr(ir.ArrayAttr(function.attributes["res_attrs"])[0])
    assert function.location.name_str == "function"
    assert function.arguments[0].location.name_str == "here"
    text = located(function)
    assert 'einnet.library = "blas"' in text
    assert 'loc("matmul.1"("times"))' in text


def test_effects_stay_in_their_order() -> None:
    module = run(MODULE)
    text = str(functions(module)["product"])
    assert text.count('"foo.effect"') == 2
    assert text.index(": () -> i32") < text.index(": () -> ()")


def test_a_proof_out_of_reach_leaves_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    def undecided(*_: Program, **__: int) -> Undecided:
        return Undecided("for a test")

    # Of the plans of subprograms, `choose` has its own.
    monkeypatch.setattr(driver, "verify_plan", undecided)
    assert str(run(WEIGHTED)) == str(parse_module(WEIGHTED, make_context()))


def test_weights_of_one_function_are_prepared() -> None:
    text = WEIGHTED.replace("NAME", "main")
    after = run(text)
    assert list(functions(after)) == ["prepare", "main"]
    assert "einnet.constant" in str(after)
    # What was chosen once is not searched again.
    assert str(run(str(after))) == str(after)


@pytest.mark.parametrize(
    "text",
    [
        WEIGHTED.replace("NAME", "main") + WEIGHTED.replace("NAME", "other"),
        WEIGHTED.replace("NAME", "main")
        + "func.func private @prepare(%x: tensor<2xf32>) -> tensor<2xf32> "
        "{ return %x : tensor<2xf32> }",
        WEIGHTED.replace("NAME", "main")
        + """
func.func @caller(%x: tensor<1x16x8x8xf32>, %w: tensor<8x16x3x3xf32>) -> tensor<1x8x6x6xf32> {
  %y = call @main(%x, %w) : (tensor<1x16x8x8xf32>, tensor<8x16x3x3xf32>) -> tensor<1x8x6x6xf32>
  return %y : tensor<1x8x6x6xf32>
}""",
    ],
    ids=["two functions", "a prepare", "a caller"],
)
def test_signatures_stay_where_weights_cannot_be_prepared(text: str) -> None:
    before, after = parse_module(text, make_context()), run(text)
    assert after.operation.verify()
    assert 'einnet.library = "blas"' in str(after)
    types = {name: str(f.type) for name, f in functions(after).items()}
    assert types == {name: str(f.type) for name, f in functions(before).items()}


def test_for_a_gpu_weights_have_no_values_to_measure_with() -> None:
    with pytest.raises(InputError, match="measuring needs them") as raised:
        run(WEIGHTED, "target=cuda")
    assert raised.value.location is not None
    assert raised.value.location.line == 2


def test_for_a_gpu_measuring_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise ToolchainError("no GPU for a test")

    monkeypatch.setattr("einnet.driver_cuda.find_gpus", none)
    with pytest.raises(ToolchainError, match="nothing to measure on: no GPU for a test"):
        run(WEIGHTED.replace("einnet.weight", "einnet.name"), "target=cuda")


def test_for_a_gpu_the_variant_is_a_module() -> None:
    text = (
        WEIGHTED.replace("NAME", "main")
        .replace("1x16x8x8", "1x512x34x34")
        .replace("8x16x3x3", "512x512x3x3")
        .replace("1x8x6x6", "1x512x32x32")
    )
    after = run(text, "target=cuda measure=false")
    assert after.operation.verify()
    assert "einnet.library" in str(after)


def test_the_options_are_those_of_a_compilation() -> None:
    with pytest.raises(InputError, match="the target cpu has no precision 'fp16'"):
        run(MODULE, "precision=fp16")
    with pytest.raises(InputError, match="'candidates' must be from 1 to 1000"):
        run(MODULE, "candidates=0")


@pytest.mark.parametrize("missing", [True, False])
def test_hints_about_measuring_name_options_of_the_pass(
    monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    """The driver names flags of `einnet compile`, which a pass does not have."""

    def refuse(*_: object) -> None:
        hint = "--no-measure chooses by estimates" if missing else "install it"
        raise ToolchainError("there is nothing to measure on", hint=hint)

    monkeypatch.setattr("einnet.driver_cuda.check_target", refuse)
    with pytest.raises(ToolchainError, match="nothing to measure on") as error:
        run(PLAIN, "target=cuda")
    wanted = "measure=false chooses by estimates" if missing else "install it"
    assert error.value.hint == wanted


def test_a_comma_does_not_separate_options() -> None:
    with pytest.raises(InputError, match="'target' follows a comma"):
        run(PLAIN, "chips=sm_80,target=cuda")
