// RUN: not einnet-opt %s --einnet-optimize=target=abacus 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not einnet-opt %s --einnet-optimize="measure=perhaps" 2>&1 | FileCheck %s --check-prefix=MEASURE
// RUN: not einnet-opt %s --einnet-optimize="precision=fp16" 2>&1 | FileCheck %s --check-prefix=PRECISION
// RUN: not einnet-opt %s --einnet-optimize="quickly" 2>&1 | FileCheck %s --check-prefix=OPTION
// RUN: not einnet-opt %s --pass-pipeline='builtin.module(func.func(einnet-optimize))' 2>&1 | FileCheck %s --check-prefix=NESTED
// RUN: not einnet-opt %s --einnet-optimize="target=cuda" 2>&1 | FileCheck %s --implicit-check-not="module {"

// TARGET: --einnet-optimize:1:{{.*}}: error: unknown target 'abacus'
// TARGET-NEXT: hint: targets: cpu, cuda

// MEASURE: error: 'measure' is true or false, not 'perhaps'

// PRECISION: error: the target cpu has no precision 'fp16'

// OPTION: error: einnet-optimize has no option 'quickly'
// OPTION-NEXT: hint: options of einnet-optimize: {{.*}}target, precision,

// NESTED: error: einnet-optimize runs on a builtin.module, not on 'func.func'

// CHECK: optimize-invalid.mlir:[[#@LINE+1]]:1: error: the values of weights are not in a module, and measuring needs them
func.func @product(%a: tensor<4x6xf32>, %b: tensor<6x5xf32> {einnet.weight = "b"}) -> tensor<4x5xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x5xf32>
  %c = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>)
      outs(%zero : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %c : tensor<4x5xf32>
}
