// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-raise-conv="label=p"

func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{no dimension of an operand is read at a traversal iterator plus a summation iterator}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @sum(%a: tensor<4x6xf32>, %b: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %empty = tensor.empty() : tensor<4x6xf32>
  // expected-error @+1 {{it is no sum of products of two tensors}}
  %p = linalg.add {einnet.label = "p"} ins(%a, %b : tensor<4x6xf32>, tensor<4x6xf32>)
      outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @named(%x: tensor<1x9x4xf32>, %w: tensor<3x4x2xf32>) -> tensor<1x7x2xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x7x2xf32>
  // expected-error @+1 {{it is a named convolution already, of what its operands are}}
  %c = linalg.conv_1d_nwc_wcf {einnet.label = "p"} ins(%x, %w : tensor<1x9x4xf32>, tensor<3x4x2xf32>)
      outs(%zero : tensor<1x7x2xf32>) -> tensor<1x7x2xf32>
  return %c : tensor<1x7x2xf32>
}

// -----

func.func @tagged(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>, %c: tensor<4x6xf32>) -> tensor<4x6xf32> {
  // expected-error @+1 {{it has an einnet.library already}}
  %p = linalg.matmul {einnet.label = "p", einnet.library = "blas"}
      ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>) outs(%c : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

func.func @dynamic(%x: tensor<?x9x4xf32>, %w: tensor<3x4x2xf32>, %c: tensor<?x7x2xf32>) -> tensor<?x7x2xf32> {
  // expected-error @+1 {{it has no expression}}
  %p = linalg.conv_1d_nwc_wcf {einnet.label = "p"} ins(%x, %w : tensor<?x9x4xf32>, tensor<3x4x2xf32>)
      outs(%c : tensor<?x7x2xf32>) -> tensor<?x7x2xf32>
  return %p : tensor<?x7x2xf32>
}
