// equal

// A product is the transpose of the product of the transposed operands in the other order.
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
  %empty.at = tensor.empty() : tensor<4096x4096xf32>
  %at = linalg.transpose ins(%a : tensor<4096x4096xf32>) outs(%empty.at : tensor<4096x4096xf32>)
      permutation = [1, 0]
  %empty.bt = tensor.empty() : tensor<4096x4096xf32>
  %bt = linalg.transpose ins(%b : tensor<4096x4096xf32>) outs(%empty.bt : tensor<4096x4096xf32>)
      permutation = [1, 0]
  %zero = arith.constant dense<0.0> : tensor<4096x4096xf32>
  %p = linalg.matmul ins(%bt, %at : tensor<4096x4096xf32>, tensor<4096x4096xf32>)
      outs(%zero : tensor<4096x4096xf32>) -> tensor<4096x4096xf32>
  %empty.r = tensor.empty() : tensor<4096x4096xf32>
  %r = linalg.transpose ins(%p : tensor<4096x4096xf32>) outs(%empty.r : tensor<4096x4096xf32>)
      permutation = [1, 0]
  return %r : tensor<4096x4096xf32>
}
