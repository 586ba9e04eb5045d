// REQUIRES: plugin
// RUN: not %plugin-opt %s --pass-pipeline="builtin.module(einnet-split-summation{python=%python label=p iterators=d9})" --mlir-pass-pipeline-crash-reproducer=%t.mlir
// RUN: not %plugin-opt %t.mlir --run-reproducer 2>&1 | FileCheck %s

// A pass that is printed names all of its options, and that pipeline fails as the first one did.

// CHECK: error: einnet-split-summation does not apply to 'linalg.matmul': d9 is not a summation iterator
func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
