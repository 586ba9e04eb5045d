"""Every rule has a pass; without a label, a pass changes what qualifies and nothing else."""

from __future__ import annotations

import ast
import random
import re
from pathlib import Path

import pytest

import einnet.rules
from einnet.cli.comparison import aligned, compare_outputs, read_side
from einnet.cli.opt import main
from einnet.errors import InputError
from einnet.passes import registry
from einnet.passes.pipeline import parse_pipeline
from einnet.toolchain.mlir import make_context, parse_module
from einnet.verify.certificate import Certificate
from einnet.verify.equivalence import Equal, Undecided

MIXED = """
func.func private @elsewhere(tensor<4xf32>) -> tensor<4xf32>

func.func @left_alone(%x: tensor<4x?xf32>, %i: tensor<6xi32>, %m: memref<4xf32>, %n: index,
                      %t: tensor<4xf32>) -> (tensor<4x?xf32>, tensor<6xi32>, tensor<4xf32>) {
  %c0 = arith.constant 0 : index
  %f = arith.constant 1.0 : f32
  memref.store %f, %m[%c0] : memref<4xf32>
  %u = linalg.exp ins(%x : tensor<4x?xf32>) outs(%x : tensor<4x?xf32>) -> tensor<4x?xf32>
  %e = call @elsewhere(%t) {einnet.label = "odd"} : (tensor<4xf32>) -> tensor<4xf32>
  return %u, %i, %e : tensor<4x?xf32>, tensor<6xi32>, tensor<4xf32>
}

func.func @main(%a: tensor<4x6xf32>, %b: tensor<6x8xf32>, %c: tensor<8x10xf32>,
                %d: tensor<6x8xf32>, %w: tensor<6x12xf32>, %i: tensor<6xi32>)
    -> (tensor<4x10xf32>, tensor<4x10xf32>, tensor<4x8xf32>, tensor<4x12xf32>, tensor<4x1xf32>,
        tensor<3xi32>) {
  %zero = arith.constant 0.0 : f32
  %space8 = tensor.empty() : tensor<4x8xf32>
  %zero8 = linalg.fill ins(%zero : f32) outs(%space8 : tensor<4x8xf32>) -> tensor<4x8xf32>
  %zero10 = arith.constant dense<0.0> : tensor<4x10xf32>
  %zero12 = arith.constant dense<0.0> : tensor<4x12xf32>
  %zero1 = arith.constant dense<0.0> : tensor<4x1xf32>
  %ab = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x8xf32>)
      outs(%zero8 : tensor<4x8xf32>) -> tensor<4x8xf32>
  %abc = linalg.matmul {einnet.label = "abc"} ins(%ab, %c : tensor<4x8xf32>, tensor<8x10xf32>)
      outs(%zero10 : tensor<4x10xf32>) -> tensor<4x10xf32>
  %hot = linalg.exp ins(%abc : tensor<4x10xf32>) outs(%zero10 : tensor<4x10xf32>)
      -> tensor<4x10xf32>
  %bd = linalg.add ins(%b, %d : tensor<6x8xf32>, tensor<6x8xf32>) outs(%b : tensor<6x8xf32>)
      -> tensor<6x8xf32>
  %abd = linalg.matmul ins(%a, %bd : tensor<4x6xf32>, tensor<6x8xf32>)
      outs(%zero8 : tensor<4x8xf32>) -> tensor<4x8xf32>
  %aw = linalg.matmul ins(%a, %w : tensor<4x6xf32>, tensor<6x12xf32>)
      outs(%zero12 : tensor<4x12xf32>) -> tensor<4x12xf32>
  %row = linalg.generic {
      indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (m, n)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a : tensor<4x6xf32>) outs(%zero1 : tensor<4x1xf32>) {
  ^bb0(%x: f32, %sum: f32):
    %next = arith.addf %sum, %x : f32
    linalg.yield %next : f32
  } -> tensor<4x1xf32>
  %part = tensor.extract_slice %i[0] [3] [1] : tensor<6xi32> to tensor<3xi32>
  return %abc, %hot, %abd, %aw, %row, %part : tensor<4x10xf32>, tensor<4x10xf32>, tensor<4x8xf32>,
      tensor<4x12xf32>, tensor<4x1xf32>, tensor<3xi32>
}
"""

ODD = """
func.func @main(%s: tensor<f32>, %x: tensor<1x3xf32>, %h: tensor<2x3xf16>, %g: tensor<3x4xf16>,
                %d: tensor<4x3xf64>, %i: tensor<2x3xi32>, %j: tensor<3x2xi32>, %b: tensor<3xi1>,
                %f: f32)
    -> (tensor<f32>, tensor<1x3xf32>, tensor<2x3xf32>, tensor<2x4xf16>, tensor<3x4xf64>,
        tensor<2x2xi32>, tensor<3xi1>, tensor<f32>, tensor<1x3xf32>, tensor<2x2xf32>) {
  %one = tensor.empty() : tensor<f32>
  %double = linalg.add ins(%s, %s : tensor<f32>, tensor<f32>) outs(%one : tensor<f32>)
      -> tensor<f32>
  %row = tensor.empty() : tensor<1x3xf32>
  %nothing = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      outs(%row : tensor<1x3xf32>) {
  ^bb0(%old: f32):
    %zero = arith.constant 0.0 : f32
    linalg.yield %zero : f32
  } -> tensor<1x3xf32>
  %table = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %rows = tensor.empty() : tensor<2x3xf32>
  %scaled = linalg.mul ins(%table, %table : tensor<2x3xf32>, tensor<2x3xf32>)
      outs(%rows : tensor<2x3xf32>) -> tensor<2x3xf32>
  %zeroh = arith.constant dense<0.0> : tensor<2x4xf16>
  %half = linalg.matmul ins(%h, %g : tensor<2x3xf16>, tensor<3x4xf16>)
      outs(%zeroh : tensor<2x4xf16>) -> tensor<2x4xf16>
  %turned = tensor.empty() : tensor<3x4xf64>
  %transposed = linalg.transpose ins(%d : tensor<4x3xf64>) outs(%turned : tensor<3x4xf64>)
      permutation = [1, 0]
  %zeroi = arith.constant dense<0> : tensor<2x2xi32>
  %whole = linalg.matmul ins(%i, %j : tensor<2x3xi32>, tensor<3x2xi32>)
      outs(%zeroi : tensor<2x2xi32>) -> tensor<2x2xi32>
  %bits = tensor.extract_slice %b[0] [3] [1] : tensor<3xi1> to tensor<3xi1>
  %zeros = arith.constant dense<0.0> : tensor<f32>
  %total = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> ()>],
      iterator_types = ["reduction", "reduction"]}
      ins(%x : tensor<1x3xf32>) outs(%zeros : tensor<f32>) {
  ^bb0(%a: f32, %sum: f32):
    %next = arith.addf %sum, %a : f32
    linalg.yield %next : f32
  } -> tensor<f32>
  %filled = linalg.fill ins(%f : f32) outs(%row : tensor<1x3xf32>) -> tensor<1x3xf32>
  %shifted = linalg.add ins(%filled, %x : tensor<1x3xf32>, tensor<1x3xf32>)
      outs(%row : tensor<1x3xf32>) -> tensor<1x3xf32>
  %ones = arith.constant dense<1.0> : tensor<2x2xf32>
  %square = linalg.matmul ins(%ones, %ones : tensor<2x2xf32>, tensor<2x2xf32>)
      outs(%ones : tensor<2x2xf32>) -> tensor<2x2xf32>
  return %double, %nothing, %scaled, %half, %transposed, %whole, %bits, %total, %shifted, %square
      : tensor<f32>, tensor<1x3xf32>, tensor<2x3xf32>, tensor<2x4xf16>, tensor<3x4xf64>,
        tensor<2x2xi32>, tensor<3xi1>, tensor<f32>, tensor<1x3xf32>, tensor<2x2xf32>
}
"""
"""Scalars, constants, zeros, other element types, loops of one point."""

EVERY = {
    "einnet-associate": None,
    "einnet-batch-parallel": "operand",
    "einnet-collect-terms": None,
    "einnet-distribute": None,
    "einnet-drop-iterators": "inner",
    "einnet-eliminate-guard": None,
    "einnet-fuse": None,
    "einnet-merge-parallel": "operand",
    "einnet-merge-traversals": None,
    "einnet-relax{iterator=d2 range=0:8}": None,
    "einnet-relax{iterator=d1 range=-1:13}": "inner",
    "einnet-relayout{factor=1 order=d1,d2}": "inner",
    "einnet-separate-terms": None,
    "einnet-split-expression{iterator=d1 at=3}": "part",
    "einnet-split-product{factors=1}": "inner",
    "einnet-split-summation{iterators=d2}": "inner",
    "einnet-split-summation{iterators=d2 hoist=false}": "inner",
    "einnet-substitute{with=t=d0+d1}": "inner",
    "einnet-substitute{split=d2:2}": None,
    "einnet-substitute{split=d1:3}": "inner",
    "einnet-substitute{merge=d0:d1}": "inner",
    "einnet-substitute{reflect=d2}": None,
    "einnet-substitute{shift=d2:1}": None,
    "einnet-substitute{permute=d1,d0}": "inner",
    "einnet-tighten": None,
    "einnet-unit-factor": "ones",
}
"""Passes without a label, and how the labels of operations end that they add to @main."""

EXPONENTIAL = 1
"""The output of @main that is one."""

UNTOUCHED = (
    "einnet-associate",
    "einnet-collect-terms",
    "einnet-eliminate-guard",
    "einnet-separate-terms",
    "einnet-tighten",
)
"""Those for which nothing in @main qualifies."""


def run(text: str, passes: str) -> str:
    context = make_context()
    module = parse_module(text, context)
    return str(parse_pipeline(f"builtin.module({passes})", context).run(module))


def function(text: str, name: str) -> str:
    """The text of a function by itself, so that values are numbered from 0 and maps are spelled
    out.
    """
    for operation in parse_module(text, make_context()).body.operations:
        if f"@{name}(" in str(operation).splitlines()[0]:
            return str(operation.operation.get_asm(use_local_scope=True))
    raise AssertionError(f"no @{name}")


def assert_same(before: str, after: str) -> None:
    """@main computes the same; of its exponentials, which may be out of the proof's reach where
    their loops changed, it is only known that no position was found at which they differ."""
    sides = read_side(before, "before", "main"), read_side(after, "after", "main")
    found = compare_outputs(*aligned(*sides), seed=0, rounds=2)
    if isinstance(found, Certificate):
        return
    for number, compared in enumerate(found):
        unproved = isinstance(compared.verdict, Undecided) and number == EXPONENTIAL
        assert isinstance(compared.verdict, Equal) or unproved, compared


def test_every_rule_has_a_pass() -> None:
    folder = Path(einnet.rules.__path__[0])
    rules: set[str] = set()
    for path in folder.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                rules.add(str(node.value.value))
    assert rules
    assert {f"einnet-{rule}" for rule in rules} <= set(registry.NAMES)


@pytest.mark.parametrize("pass_", EVERY)
def test_all_that_qualify(pass_: str) -> None:
    before = run(MIXED, "")
    after = run(MIXED, pass_)
    assert function(after, "left_alone") == function(before, "left_alone")
    if pass_ in UNTOUCHED:
        assert after == before
        return
    assert after != before
    suffix = EVERY[pass_]
    if suffix is not None:
        assert re.search(rf'einnet\.label = "[\w+.]*\.{suffix}\d*"', after)
    assert_same(before, after)


@pytest.mark.parametrize("pass_", EVERY)
def test_unusual_operations(pass_: str) -> None:
    assert_same(ODD, run(ODD, pass_))


@pytest.mark.parametrize("seed", range(12))
def test_passes_one_after_another(seed: int) -> None:
    choice = random.Random(seed)
    start = choice.choice([MIXED, ODD])
    passes = ",".join(choice.choices(list(EVERY), k=4))
    assert_same(start, run(start, passes))


def test_several_products_of_one_tensor_are_one_group() -> None:
    text = run(MIXED, "einnet-merge-parallel")
    assert "matmul+matmul0+matmul1" in text


def test_new_labels_are_found_by_later_passes() -> None:
    # Without labels of its own, an operation gets one when it is rewritten.
    text = run(MIXED, "einnet-split-summation{iterators=d2}")
    labels = re.findall(r'einnet\.label = "([^"]*)"', function(text, "main"))
    assert len(set(labels)) == len(labels)
    assert {"abc", "abc.inner", "matmul", "matmul.inner"} <= set(labels)
    again = run(text, "einnet-merge-traversals{label=matmul}")
    assert 'einnet.label = "matmul.inner"' not in again
    assert_same(MIXED, again)


def test_a_pass_nested_under_functions_stays_in_them() -> None:
    text = run(MIXED, "func.func(einnet-fuse)")
    assert_same(MIXED, text)


def test_operands_of_later_operations_move_up() -> None:
    # The second product needs what is computed after the first, which has a reader before it.
    text = """
func.func @main(%x: tensor<4x6xf32>, %v: tensor<6x8xf32>, %w: tensor<6x10xf32>)
    -> (tensor<4x8xf32>, tensor<4x10xf32>) {
  %zero = arith.constant dense<0.0> : tensor<4x8xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%x, %v : tensor<4x6xf32>, tensor<6x8xf32>)
      outs(%zero : tensor<4x8xf32>) -> tensor<4x8xf32>
  %e = linalg.exp ins(%p : tensor<4x8xf32>) outs(%zero : tensor<4x8xf32>) -> tensor<4x8xf32>
  %space = tensor.empty() : tensor<6x10xf32>
  %twice = linalg.add ins(%w, %w : tensor<6x10xf32>, tensor<6x10xf32>)
      outs(%space : tensor<6x10xf32>) -> tensor<6x10xf32>
  %zero10 = arith.constant dense<0.0> : tensor<4x10xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%x, %twice : tensor<4x6xf32>, tensor<6x10xf32>)
      outs(%zero10 : tensor<4x10xf32>) -> tensor<4x10xf32>
  return %e, %q : tensor<4x8xf32>, tensor<4x10xf32>
}"""
    for options in ("", "{labels=q,p}"):
        after = run(text, f"einnet-merge-parallel{options}")
        merged = re.search(r'einnet\.label = "\w\+\w', after)
        assert merged is not None and after.index("linalg.add") < merged.start()
        assert_same(text, after)


def test_a_group_may_not_depend_on_itself() -> None:
    text = """
func.func @main(%x: tensor<4x4xf32>, %y: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x4xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%x, %y : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%x, %p : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q : tensor<4x4xf32>
}"""
    for name in ("einnet-merge-parallel", "einnet-batch-parallel"):
        before = run(text, "")
        with pytest.raises(InputError, match="one of the operations depends on p"):
            run(text, f"{name}{{labels=p,q}}")
        assert run(text, name) == before


@pytest.mark.parametrize("pass_", ["split-summation=iterators=d2", "merge-parallel"])
def test_a_bug_in_emission_is_no_refusal(
    pass_: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a label, operations that a rule refuses are left as they are; nothing else is."""

    def broken(*_: object, **__: object) -> None:
        raise ValueError("our bug")

    monkeypatch.setattr("einnet.passes.replacing.emit_definition", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = tmp_path / "in.mlir"
    source.write_text(MIXED, encoding="utf-8")
    assert main([str(source), f"--einnet-{pass_}"]) == 70
    assert "internal error; the report is in" in capsys.readouterr().err
    (report,) = tmp_path.glob("einnet-report-*")
    assert "ValueError: our bug" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("substitute", "give one kind of substitution"),
        ("substitute{split=d0:2 reflect=d1}", "give one kind of substitution"),
        ("substitute{with=d0+1}", "'d0\\+1' is no substitution"),
        ("substitute{with=t=d0+}", "expected"),
        ("substitute{split=d0}", "split=d0 is not a loop and a factor"),
        ("substitute{split=d0:x}", "split=d0:x is not a loop and a factor"),
        ("substitute{merge=d0:d0}", "one loop, not two"),
        ("relax{iterator=d0 range=4}", "'4' is no range"),
        ("merge-parallel{labels=p}", "one label is no group"),
        ("merge-parallel{labels=p,p}", "given twice"),
        ("split-product{factors=0,x}", "'factors' is an integer, not 'x'"),
    ],
)
def test_options_that_mean_nothing_are_errors_without_a_label_too(
    options: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run(MIXED, f"einnet-{options}")
