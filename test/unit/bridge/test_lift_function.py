"""Functions as programs: names, opaque operations, labels, and @prepare with @main."""

from __future__ import annotations

import numpy as np
import pytest
from lifting import evaluate, function_of, lifted, module, random
from mlir import ir

from einnet.bridge.lift import (
    lift_composed,
    lift_function,
    lift_module,
    lift_operation,
    lift_with_refusals,
    used_values,
)
from einnet.bridge.natural import natural
from einnet.errors import InputError
from einnet.expr.check import check_program
from einnet.expr.nodes import Tensor
from einnet.expr.program import Definition, Opaque, Program, constants_of
from einnet.verify.equivalence import Different, Equal, Undecided, compare

NAMED = """
func.func @main(%a: tensor<2x3xf32> {einnet.name = "latent code"},
                %b: tensor<3x4xf32> {einnet.weight = "layer/0.weight"},
                %c: tensor<2x4xf32>) -> (tensor<2x4xf32> {einnet.name = "image"}) {
  %zero = arith.constant dense<0.0> : tensor<2x4xf32>
  %m = linalg.matmul {einnet.label = "first product"}
       ins(%a, %b : tensor<2x3xf32>, tensor<3x4xf32>)
       outs(%zero : tensor<2x4xf32>) -> tensor<2x4xf32>
  %r = arith.addf %m, %c : tensor<2x4xf32>
  %s = arith.addf %r, %r : tensor<2x4xf32>
  return %s : tensor<2x4xf32>
}"""


def test_names_and_labels() -> None:
    program = lifted(NAMED)
    assert program.name == "main"
    assert program.inputs == (
        Tensor("latent_code", (2, 3)),
        Tensor("layer_0.weight.09fccd5c", (3, 4)),
        Tensor("arg1", (2, 4)),
    )
    assert program.weights == {"layer_0.weight.09fccd5c"}
    assert program.outputs == (Tensor("image", (2, 4)),)
    assert [d.label for d in program.definitions] == [
        "constant.1",
        "first product",
        "addf.1",
        "addf.2",
    ]


def test_names_that_clash_are_told_apart() -> None:
    text = """
    func.func @main(%a: tensor<2xf32> {einnet.name = "v0"}, %b: tensor<2xf32> {einnet.name = "L"},
                    %c: tensor<2xf32> {einnet.name = "L"})
        -> (tensor<2xf32> {einnet.name = "v0"}, tensor<2xf32>) {
      %0 = arith.addf %a, %b : tensor<2xf32>
      %1 = arith.addf %0, %c : tensor<2xf32>
      return %1, %0 : tensor<2xf32>, tensor<2xf32>
    }"""
    program = lifted(text)
    names = [t.name for t in program.inputs] + [d.result.name for d in program.definitions]
    assert len(set(names)) == 5
    assert names[:2] == ["v0", "_L"]
    a, b, c = random(2, seed=1), random(2, seed=2), random(2, seed=3)
    arrays = {t.name: x for t, x in zip(program.inputs, (a, b, c), strict=True)}
    second, first = evaluate(program, arrays)
    np.testing.assert_allclose(first, a + b)
    np.testing.assert_allclose(second, a + b + c)


def test_an_argument_may_be_an_output_twice() -> None:
    program = lifted("""
    func.func @main(%a: tensor<2xf32>) -> (tensor<2xf32> {einnet.name = "y"}, tensor<2xf32>) {
      return %a, %a : tensor<2xf32>, tensor<2xf32>
    }""")
    assert program.outputs == (Tensor("arg0", (2,)),) * 2
    assert natural(program) == program


OPAQUE = """
func.func private @effect(tensor<4xf32>)
func.func @main(%x: tensor<4xf32>, %n: index) -> tensor<4xf32> {
  %unused = arith.constant 3 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1 : index
  %never = tensor.empty() : tensor<4xf32>
  %init = tensor.empty() : tensor<4xf32>
  %y = arith.addf %x, %x : tensor<4xf32>
  func.call @effect(%y) : (tensor<4xf32>) -> ()
  %z = scf.for %i = %one to %n step %one iter_args(%acc = %init) -> tensor<4xf32> {
    %v = tensor.extract %y[%i] : tensor<4xf32>
    %t = tensor.insert %v into %acc[%i] : tensor<4xf32>
    scf.yield %t : tensor<4xf32>
  }
  %r = arith.mulf %z, %y : tensor<4xf32>
  return %r : tensor<4xf32>
}"""


def test_opaque_operations_keep_what_they_depend_on() -> None:
    owner = module(OPAQUE)
    main = function_of(owner)
    program, refusals = lift_with_refusals(main)
    check_program(program)
    operations = [view.operation for view in main.regions[0].blocks[0].operations]
    opaque = [s for s in program.statements if isinstance(s, Opaque)]
    assert [operations[s.handle].name for s in opaque] == [
        "arith.constant",
        "tensor.empty",
        "func.call",
        "scf.for",
    ]
    loop = opaque[-1]
    assert len(loop.operands) == len(used_values(operations[loop.handle]))
    y = next(d.result for d in program.definitions)
    assert y in loop.operands
    assert y in opaque[2].operands
    assert Tensor("arg1", (), "index") in loop.operands
    assert {r.label for r in refusals} == {"constant.3", "empty.2", "call.1", "for.1"}
    # An operation without results may have effects: it stays.
    kept = natural(program)
    check_program(kept)
    assert any(isinstance(s, Opaque) and not s.results for s in kept.statements)


def test_equal_opaque_operations_have_equal_texts() -> None:
    text = """
    #id = affine_map<(i) -> (i)>
    func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>)
        -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
      %a = math.sin %x : tensor<4xf32>
      %b = math.sin %y : tensor<4xf32>
      %c = math.cos %y : tensor<4xf32>
      return %a, %b, %c : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
    }"""
    owner = module(text)
    a, b, c = lift_function(function_of(owner)).statements
    assert isinstance(a, Opaque)
    assert isinstance(b, Opaque)
    assert isinstance(c, Opaque)
    assert a.operation == b.operation != c.operation


WIRED = """
#id = affine_map<(i) -> (i)>
func.func private @callee(%x: tensor<4xf32>) -> tensor<4xf32> {{
  %r = math.{function} %x : tensor<4xf32>
  return %r : tensor<4xf32>
}}
func.func private @outer(%x: tensor<4xf32>) -> tensor<4xf32> {{
  %r = func.call @callee(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}}
func.func private @pair(tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>, %n: index) -> tensor<4xf32> {{
  %one = arith.constant 1 : index
  {body}
  return %r : tensor<4xf32>
}}"""
GENERIC = """%r = linalg.generic {{indexing_maps = [#id, #id, #id, #id],
                         iterator_types = ["parallel"]}}
    ins({operands} : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) outs(%x : tensor<4xf32>) {{
  ^bb0(%a: f32, %b: f32, %c: f32, %old: f32):
    %s = math.atan2 {inner} : f32
    linalg.yield %s : f32
  }} -> tensor<4xf32>"""
LOOP = """%r = scf.for %i = %one to %n step %one iter_args(%a = %x) -> tensor<4xf32> {{
    %p:2 = func.call @pair(%a) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
    scf.yield %p#{result} : tensor<4xf32>
  }}"""
CALL = "%r = func.call @outer(%x) : (tensor<4xf32>) -> tensor<4xf32>"


def wired(body: str, function: str = "sin") -> Program:
    owner = module(WIRED.format(body=body, function=function))
    return lift_function(function_of(owner))


def wired_generic(operands: str, inner: str) -> Program:
    return wired(GENERIC.format(operands=operands, inner=inner))


def test_opaque_operations_that_wire_values_differently_are_different() -> None:
    pairs = {
        "order in a region": [wired_generic("%x, %y, %x", i) for i in ("%a, %b", "%b, %a")],
        "repeated operand": [wired_generic(o, "%a, %c") for o in ("%x, %y, %x", "%x, %y, %y")],
        "which of several results": [wired(LOOP.format(result=n)) for n in (0, 1)],
        "what a callee calls": [wired(CALL, function) for function in ("sin", "cos")],
    }
    for name, (one, other) in pairs.items():
        assert isinstance(compare(one, one), Equal), name
        assert isinstance(compare(one, other), Undecided), name


def test_values_of_equal_opaque_operations_may_have_other_names() -> None:
    text = WIRED.format(body=GENERIC.format(operands="%x, %y, %x", inner="%a, %b"), function="sin")
    more = text.replace("%one = arith.constant 1 : index", "%0 = arith.addf %x, %y : tensor<4xf32>")
    owners = [module(t) for t in (text, more)]
    one, other = (lift_function(function_of(owner)) for owner in owners)
    assert isinstance(compare(one, other), Equal)


def test_the_sum_before_an_initial_tensor_gets_a_name_of_its_own() -> None:
    program = lifted("""
    func.func @main(%a: tensor<2x3xf32> {einnet.name = "out.sum"}, %b: tensor<3x4xf32>,
                    %c: tensor<2x4xf32>) -> (tensor<2x4xf32> {einnet.name = "out"}) {
      %r = linalg.matmul ins(%a, %b : tensor<2x3xf32>, tensor<3x4xf32>)
           outs(%c : tensor<2x4xf32>) -> tensor<2x4xf32>
      return %r : tensor<2x4xf32>
    }""")
    assert [d.result.name for d in program.definitions] == ["out.sum_", "out"]


def test_weights_whose_names_print_alike_are_told_apart_in_any_order() -> None:
    def difference(a: str, b: str, operands: str) -> Program:
        owner = module(f"""
        func.func @main(%a: tensor<4xf32> {{einnet.weight = "{a}"}},
                        %b: tensor<4xf32> {{einnet.weight = "{b}"}}) -> tensor<4xf32> {{
          %r = arith.subf {operands} : tensor<4xf32>
          return %r : tensor<4xf32>
        }}""")
        return lift_function(function_of(owner))

    reference = difference("l/w", "l:w", "%a, %b")
    assert isinstance(compare(reference, difference("l:w", "l/w", "%b, %a")), Equal)
    assert isinstance(compare(reference, difference("l:w", "l/w", "%a, %b")), Different)


def test_an_input_called_like_a_weight_is_not_that_weight() -> None:
    program = lift_composed(
        module("""
    func.func @prepare(%w: tensor<4xf32> {einnet.weight = "w"}) -> tensor<4xf32> {
      %0 = arith.addf %w, %w : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    func.func @main(%x: tensor<4xf32> {einnet.name = "w"},
                    %c: tensor<4xf32> {einnet.constant = 0 : i64}) -> tensor<4xf32> {
      %0 = arith.mulf %x, %c : tensor<4xf32>
      return %0 : tensor<4xf32>
    }""")
    )
    check_program(program)
    assert len(program.inputs) == 2
    assert program.weights == {program.inputs[1].name}


def test_one_operation() -> None:
    owner = module(NAMED)
    block = function_of(owner).regions[0].blocks[0]
    names: dict[ir.Value, Tensor] = {}

    def name_of(value: ir.Value) -> Tensor:
        shape = tuple(ir.RankedTensorType(value.type).shape)
        return names.setdefault(value, Tensor(f"t{len(names)}", shape))

    found = {
        view.operation.name: lift_operation(view, name_of) for view in list(block.operations)[:-1]
    }
    product = found["linalg.matmul"]
    assert product is not None
    (definition,) = product
    assert definition.label == "first product"
    assert str(definition.scope) == "L<i:2,j:4> S<k:3> t1[i,k] * t2[k,j]"
    assert lift_operation(block.operations[len(block.operations) - 1], name_of) is None


def test_a_module_is_its_functions_with_bodies() -> None:
    owner = module(OPAQUE)
    assert list(lift_module(owner)) == ["main"]


def test_blocks_are_the_users_error() -> None:
    owner = module("""
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      cf.br ^next
    ^next:
      return %x : tensor<4xf32>
    }""")
    with pytest.raises(InputError, match="@main has 2 blocks"):
        lift_function(function_of(owner))


COMPOSED = """
func.func @prepare(%w: tensor<3x4xf32> {einnet.weight = "w"},
                   %v: tensor<4xf32> {einnet.weight = "v"})
    -> (tensor<4xf32>, tensor<3x4xf32>) {
  %0 = arith.addf %v, %v : tensor<4xf32>
  %1 = arith.mulf %w, %w : tensor<3x4xf32>
  return %0, %1 : tensor<4xf32>, tensor<3x4xf32>
}
func.func @main(%x: tensor<2x3xf32> {einnet.name = "x"},
                %w: tensor<3x4xf32> {einnet.weight = "w"},
                %0: tensor<3x4xf32> {einnet.constant = 1 : i64},
                %1: tensor<4xf32> {einnet.constant = 0 : i64})
    -> (tensor<2x4xf32> {einnet.name = "y"}) {
  %2 = tensor.empty() : tensor<2x4xf32>
  %3 = linalg.broadcast ins(%1 : tensor<4xf32>) outs(%2 : tensor<2x4xf32>) dimensions = [0]
  %4 = arith.addf %0, %w : tensor<3x4xf32>
  %5 = linalg.matmul ins(%x, %4 : tensor<2x3xf32>, tensor<3x4xf32>)
       outs(%3 : tensor<2x4xf32>) -> tensor<2x4xf32>
  return %5 : tensor<2x4xf32>
}"""


def test_prepare_and_main_are_one_program_over_inputs_and_weights() -> None:
    owner = module(COMPOSED)
    program = lift_composed(owner)
    check_program(program)
    assert [t.name for t in program.inputs] == ["x", "w", "v"]
    assert program.weights == {"w", "v"}
    assert len(constants_of(program) & {d.result.name for d in program.definitions}) == 4
    x, w, v = random(2, 3), random(3, 4), random(4)
    for form in (program, natural(program)):
        check_program(form)
        (y,) = evaluate(form, {"x": x, "w": w, "v": v})
        np.testing.assert_allclose(y, x @ (w * w + w) + 2 * v)
    assert all(isinstance(s, Definition) for s in program.statements)


def test_main_alone_composes_to_itself() -> None:
    owner = module(NAMED)
    assert lift_composed(owner) == lift_function(function_of(owner))


def test_a_constant_that_prepare_does_not_return_is_an_error() -> None:
    owner = module(COMPOSED.replace("einnet.constant = 1", "einnet.constant = 2"))
    with pytest.raises(InputError, match="takes constant 2"):
        lift_composed(owner)
