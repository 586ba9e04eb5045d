"""Labels, and what is left in the module after operations were replaced."""

from __future__ import annotations

import re

import pytest

from einnet.errors import InputError
from einnet.passes.pipeline import parse_pipeline
from einnet.toolchain.mlir import make_context, parse_module

CHAIN = """
func.func @f(%a: tensor<4x20xf32>, %b: tensor<20x24xf32>) -> tensor<4x24xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x24xf32>
  %old = tensor.extract_slice %a[0, 0] [4, 20] [1, 1] {einnet.kernel = 6 : i64,
      einnet.label = "p.inner"} : tensor<4x20xf32> to tensor<4x20xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%old, %b : tensor<4x20xf32>, tensor<20x24xf32>)
      outs(%zero : tensor<4x24xf32>) -> tensor<4x24xf32>
  return %p : tensor<4x24xf32>
}
"""


def run(text: str, passes: str) -> str:
    context = make_context()
    module = parse_module(text, context)
    return str(parse_pipeline(f"builtin.module({passes})", context).run(module))


def labels(text: str) -> list[str]:
    return re.findall(r'einnet\.label = "([^"]*)"', text)


def kernels(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"einnet\.kernel = (\d+)", text)]


def test_iterators_are_named_by_their_loops() -> None:
    text = """
func.func @f(%a: tensor<2x7x3x5xf32>, %out: tensor<5x2xf32>) -> tensor<5x2xf32> {
  %p = linalg.generic {
      indexing_maps = [affine_map<(i, k, j, l) -> (i, l, k, j)>,
                       affine_map<(i, k, j, l) -> (j, i)>],
      iterator_types = ["parallel", "reduction", "parallel", "reduction"]}
      ins(%a : tensor<2x7x3x5xf32>) outs(%out : tensor<5x2xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%x: f32, %sum: f32):
    %next = arith.addf %sum, %x : f32
    linalg.yield %next : f32
  } -> tensor<5x2xf32>
  return %p : tensor<5x2xf32>
}"""
    with pytest.raises(InputError) as raised:
        run(text, "einnet-split-summation{label=p iterators=d0}")
    scope = "L<d2:5,d0:2> S<d1:3,d3:7> t0[d0,d3,d1,d2]"
    assert raised.value.hint == f"the operation is {scope}"


def test_producers_that_cannot_be_composed_stay_as_they_are() -> None:
    text = """
func.func @f(%a: tensor<4x20xf32>, %b: tensor<20x24xf32>, %c: tensor<4x24xf32>)
    -> tensor<4x24xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x24xf32>
  %e = tensor.empty() : tensor<4x24xf32>
  %sum = linalg.matmul ins(%a, %b : tensor<4x20xf32>, tensor<20x24xf32>)
      outs(%zero : tensor<4x24xf32>) -> tensor<4x24xf32>
  %square = linalg.mul ins(%c, %c : tensor<4x24xf32>, tensor<4x24xf32>)
      outs(%e : tensor<4x24xf32>) -> tensor<4x24xf32>
  %p = linalg.add {einnet.label = "p"} ins(%sum, %square : tensor<4x24xf32>, tensor<4x24xf32>)
      outs(%e : tensor<4x24xf32>) -> tensor<4x24xf32>
  return %p : tensor<4x24xf32>
}"""
    merged = run(text, "einnet-merge-traversals{label=p}")
    assert labels(merged) == ["p"]
    assert "linalg.matmul" in merged
    assert "linalg.mul" not in merged


def test_new_labels_and_kernels_are_new() -> None:
    text = run(CHAIN, "einnet-split-summation{label=p iterators=d2}")
    assert labels(text) == ["p.inner", "p.inner0", "p"]
    assert kernels(text)[0] == 6
    assert sorted(set(kernels(text)[1:])) == [7, 8]


def test_later_passes_find_the_labels_of_earlier_ones() -> None:
    split = "einnet-split-summation{label=p iterators=d2}"
    permute = "einnet-substitute{label=p.inner0 with=u=d1,v=d0}"
    text = run(CHAIN, f"{split},{permute}")
    assert labels(text) == ["p.inner", "p.inner0.inner", "p.inner0", "p"]
    merged = run(CHAIN, f"{split},{permute},einnet-merge-traversals{{label=p.inner0}}")
    assert labels(merged) == ["p.inner", "p.inner0", "p"]


def test_operations_that_only_the_replaced_one_used_are_gone() -> None:
    text = run(CHAIN, "einnet-merge-traversals{label=p}")
    assert labels(text) == ["p"]
    assert "extract_slice" not in text
    assert "dense<" not in text


def test_a_reshape_gets_the_label() -> None:
    # The merged axes need no computation: what comes out is a view.
    text = run(
        """
func.func @f(%a: tensor<4x6xf32>) -> tensor<6x4xf32> {
  %t0 = tensor.empty() : tensor<6x4xf32>
  %x = linalg.transpose ins(%a : tensor<4x6xf32>) outs(%t0 : tensor<6x4xf32>) permutation = [1, 0]
  %t1 = tensor.empty() : tensor<4x6xf32>
  %y = linalg.transpose ins(%x : tensor<6x4xf32>) outs(%t1 : tensor<4x6xf32>) permutation = [1, 0]
  %c = tensor.collapse_shape %y [[0, 1]] {einnet.label = "c"} : tensor<4x6xf32> into tensor<24xf32>
  %e = tensor.expand_shape %c [[0, 1]] output_shape [6, 4] : tensor<24xf32> into tensor<6x4xf32>
  return %e : tensor<6x4xf32>
}""",
        ",".join(["einnet-merge-traversals{label=c}"] * 2),
    )
    assert "linalg" not in text
    assert re.search(r'tensor.collapse_shape %arg0 .*einnet.label = "c"', text)
