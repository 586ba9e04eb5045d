// REQUIRES: plugin
// RUN: %plugin-opt %s --pass-pipeline="builtin.module(einnet-substitute{python=%python label=p with=t=d0+d1})" -o %t.plugin
// RUN: einnet-opt %s --einnet-substitute="label=p with=t=d0+d1" -o %t.command
// RUN: diff %t.plugin %t.command
// RUN: %plugin-opt %s --pass-pipeline="builtin.module(einnet-substitute{python=%python label=p with={t=d0+d1}},cse)" --mlir-print-ir-before=cse -o /dev/null 2>&1 | FileCheck %s

// Options arrive as they were written, in braces or not.

// CHECK-LABEL: func.func @product
// CHECK: einnet.label = "p.inner"
// CHECK: einnet.label = "p"
func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
