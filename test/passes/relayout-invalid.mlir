// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-relayout="label=p factor=0 order=d0,d1"
// RUN: not einnet-opt %s --split-input-file --einnet-relayout="label=p order=d0,d1 factor=2" 2>&1 | FileCheck %s --check-prefix=POSITION

// POSITION: error: {{.*}}: there is no factor 2 among 2

func.func @sum(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %empty = tensor.empty() : tensor<4x6xf32>
  // expected-error @+1 {{a sum of several terms has no factors}}
  %p = linalg.add {einnet.label = "p"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{d0,d1 is no order of what the read depends on: d0,d2}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @exponential(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %empty = tensor.empty() : tensor<4x6xf32>
  // expected-error @+1 {{factor 0 is a call of exp, not a read}}
  %p = linalg.exp {einnet.label = "p"} ins(%a : tensor<4x6xf32>) outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @largest(%a: tensor<4x6xf32>, %low: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{it has no expression}}
  %p = linalg.reduce {arith.maximumf} ins(%a : tensor<4x6xf32>) outs(%low : tensor<4xf32>) dimensions = [1]
      {einnet.label = "p"}
  return %p : tensor<4xf32>
}
