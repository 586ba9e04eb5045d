// different [0:4096:1, 1000:4096:1]

// The right part starts one column too early.
func.func @main(%a: tensor<4096x512xf32>, %b: tensor<512x4096xf32>)
    -> tensor<4096x4096xf32> {
  %zero = arith.constant dense<0.0> : tensor<4096x4096xf32>
  %r = linalg.matmul ins(%a, %b : tensor<4096x512xf32>, tensor<512x4096xf32>)
      outs(%zero : tensor<4096x4096xf32>) -> tensor<4096x4096xf32>
  return %r : tensor<4096x4096xf32>
}

// -----

func.func @main(%a: tensor<4096x512xf32>, %b: tensor<512x4096xf32>)
    -> tensor<4096x4096xf32> {
  %left = tensor.extract_slice %b[0, 0] [512, 1000] [1, 1]
      : tensor<512x4096xf32> to tensor<512x1000xf32>
  %right = tensor.extract_slice %b[0, 999] [512, 3096] [1, 1]
      : tensor<512x4096xf32> to tensor<512x3096xf32>
  %zero.p = arith.constant dense<0.0> : tensor<4096x1000xf32>
  %p = linalg.matmul ins(%a, %left : tensor<4096x512xf32>, tensor<512x1000xf32>)
      outs(%zero.p : tensor<4096x1000xf32>) -> tensor<4096x1000xf32>
  %zero.q = arith.constant dense<0.0> : tensor<4096x3096xf32>
  %q = linalg.matmul ins(%a, %right : tensor<4096x512xf32>, tensor<512x3096xf32>)
      outs(%zero.q : tensor<4096x3096xf32>) -> tensor<4096x3096xf32>
  %r = tensor.concat dim(1) %p, %q
      : (tensor<4096x1000xf32>, tensor<4096x3096xf32>) -> tensor<4096x4096xf32>
  return %r : tensor<4096x4096xf32>
}
