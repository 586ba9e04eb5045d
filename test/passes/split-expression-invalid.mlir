// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-split-expression="label=p iterator=d2 at=4"

func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{d2 is not a traversal iterator}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @end(%a: tensor<2x3x4xf32>, %b: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  %empty = tensor.empty() : tensor<2x3x4xf32>
  // expected-error @+1 {{4 is not inside the range 0:4 of d2}}
  %p = linalg.mul {einnet.label = "p"} ins(%a, %b : tensor<2x3x4xf32>, tensor<2x3x4xf32>) outs(%empty : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %p : tensor<2x3x4xf32>
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

// -----

func.func @integers(%i: tensor<6xi32>) -> tensor<3xi32> {
  // expected-error @+1 {{it has no expression}}
  %p = tensor.extract_slice %i[0] [3] [1] {einnet.label = "p"} : tensor<6xi32> to tensor<3xi32>
  return %p : tensor<3xi32>
}
