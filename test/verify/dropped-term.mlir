// different [0:4096:1, 0:77:1]

// The sum over k ends one term early.
func.func @main(%a: tensor<4096x300xf32>, %b: tensor<300x77xf32>)
    -> tensor<4096x77xf32> {
  %zero = arith.constant dense<0.0> : tensor<4096x77xf32>
  %r = linalg.matmul ins(%a, %b : tensor<4096x300xf32>, tensor<300x77xf32>)
      outs(%zero : tensor<4096x77xf32>) -> tensor<4096x77xf32>
  return %r : tensor<4096x77xf32>
}

// -----

func.func @main(%a: tensor<4096x300xf32>, %b: tensor<300x77xf32>)
    -> tensor<4096x77xf32> {
  %s = tensor.extract_slice %a[0, 0] [4096, 299] [1, 1]
      : tensor<4096x300xf32> to tensor<4096x299xf32>
  %t = tensor.extract_slice %b[0, 0] [299, 77] [1, 1]
      : tensor<300x77xf32> to tensor<299x77xf32>
  %zero = arith.constant dense<0.0> : tensor<4096x77xf32>
  %r = linalg.matmul ins(%s, %t : tensor<4096x299xf32>, tensor<299x77xf32>)
      outs(%zero : tensor<4096x77xf32>) -> tensor<4096x77xf32>
  return %r : tensor<4096x77xf32>
}
