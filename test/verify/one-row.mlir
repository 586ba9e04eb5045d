// different [4095, 0:4096:1]

// The last row of the product is lost.
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
  %lost = arith.constant dense<0.0> : tensor<1x4096xf32>
  %r = tensor.insert_slice %lost into %p[4095, 0] [1, 4096] [1, 1]
      : tensor<1x4096xf32> into tensor<4096x4096xf32>
  return %r : tensor<4096x4096xf32>
}
