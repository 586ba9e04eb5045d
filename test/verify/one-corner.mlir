// different [4095, 0]

// A single element of 16 million is twice what it should be.
func.func @main(%a: tensor<4096x4096xf32>, %b: tensor<4096x4096xf32>)
    -> tensor<4096x4096xf32> {
  %zero = arith.constant dense<0.0> : tensor<4096x4096xf32>
  %r = linalg.matmul ins(%a, %b : tensor<4096x4096xf32>, tensor<4096x4096xf32>)
      outs(%zero : tensor<4096x4096xf32>) -> tensor<4096x4096xf32>
  return %r : tensor<4096x4096xf32>
}

// -----

func.func @main(%a: tensor<4096x4096xf32>, %b: tensor<4096x4096xf32>)
    -> tensor<4096x4096xf32> {
  %zero = arith.constant dense<0.0> : tensor<4096x4096xf32>
  %p = linalg.matmul ins(%a, %b : tensor<4096x4096xf32>, tensor<4096x4096xf32>)
      outs(%zero : tensor<4096x4096xf32>) -> tensor<4096x4096xf32>
  %corner = tensor.extract_slice %p[4095, 0] [1, 1] [1, 1]
      : tensor<4096x4096xf32> to tensor<1x1xf32>
  %e.twice = tensor.empty() : tensor<1x1xf32>
  %twice = linalg.add ins(%corner, %corner : tensor<1x1xf32>, tensor<1x1xf32>)
      outs(%e.twice : tensor<1x1xf32>) -> tensor<1x1xf32>
  %r = tensor.insert_slice %twice into %p[4095, 0] [1, 1] [1, 1]
      : tensor<1x1xf32> into tensor<4096x4096xf32>
  return %r : tensor<4096x4096xf32>
}
