// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-merge-traversals=label=p

func.func @alone(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  // expected-error @+1 {{einnet-merge-traversals does not apply to 'linalg.matmul': no operand is computed by an operation that has an expression}}
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}

// -----

// A sum cannot join one term of several.
func.func @sum_in_a_sum(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>, %c: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %product = linalg.matmul ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  %empty = tensor.empty() : tensor<4x6xf32>
  // expected-error @+1 {{the nested scope has sums, and its reader has several terms or reads it in a call}}
  %p = linalg.add {einnet.label = "p"} ins(%product, %c : tensor<4x6xf32>, tensor<4x6xf32>)
      outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
