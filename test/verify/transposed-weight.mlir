// different [0:64:1, 0:32:1]

// The weight of the second is the transpose: all of the product is another one.
func.func @main(%x: tensor<64x32xf32>, %w: tensor<32x32xf32>)
    -> tensor<64x32xf32> {
  %zero = arith.constant dense<0.0> : tensor<64x32xf32>
  %r = linalg.matmul ins(%x, %w : tensor<64x32xf32>, tensor<32x32xf32>)
      outs(%zero : tensor<64x32xf32>) -> tensor<64x32xf32>
  return %r : tensor<64x32xf32>
}

// -----

func.func @main(%x: tensor<64x32xf32>, %w: tensor<32x32xf32>)
    -> tensor<64x32xf32> {
  %empty.wt = tensor.empty() : tensor<32x32xf32>
  %wt = linalg.transpose ins(%w : tensor<32x32xf32>) outs(%empty.wt : tensor<32x32xf32>)
      permutation = [1, 0]
  %zero = arith.constant dense<0.0> : tensor<64x32xf32>
  %r = linalg.matmul ins(%x, %wt : tensor<64x32xf32>, tensor<32x32xf32>)
      outs(%zero : tensor<64x32xf32>) -> tensor<64x32xf32>
  return %r : tensor<64x32xf32>
}
