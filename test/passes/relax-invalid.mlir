// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-relax="label=p iterator=d2 range=0:8"
// RUN: not einnet-opt %s --split-input-file --einnet-relax="label=p iterator=d0 range=8" 2>&1 | FileCheck %s --check-prefix=RANGE

// RANGE: --einnet-relax:1:{{.*}}: error: '8' is no range

func.func @same(%a: tensor<4x8xf32>, %b: tensor<8x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{d2 has the range 0:8 already}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x8xf32>, tensor<8x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @longer(%a: tensor<4x10xf32>, %b: tensor<10x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{0:8 does not contain the range 0:10 of d2}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x10xf32>, tensor<10x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @sum(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %empty = tensor.empty() : tensor<4x6xf32>
  // expected-error @+1 {{d2 is not an iterator of this scope; there are: d0, d1}}
  %p = linalg.add {einnet.label = "p"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @largest(%a: tensor<4x6xf32>, %low: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{it has no expression}}
  %p = linalg.reduce {arith.maximumf} ins(%a : tensor<4x6xf32>) outs(%low : tensor<4xf32>) dimensions = [1]
      {einnet.label = "p"}
  return %p : tensor<4xf32>
}
