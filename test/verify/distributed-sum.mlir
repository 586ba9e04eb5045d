// equal

// A (B + C) is A B + A C.
func.func @main(%a: tensor<4096x300xf32>, %b: tensor<300x77xf32>, %c: tensor<300x77xf32>)
    -> tensor<4096x77xf32> {
  %e.s = tensor.empty() : tensor<300x77xf32>
  %s = linalg.add ins(%b, %c : tensor<300x77xf32>, tensor<300x77xf32>)
      outs(%e.s : tensor<300x77xf32>) -> tensor<300x77xf32>
  %zero = arith.constant dense<0.0> : tensor<4096x77xf32>
  %r = linalg.matmul ins(%a, %s : tensor<4096x300xf32>, tensor<300x77xf32>)
      outs(%zero : tensor<4096x77xf32>) -> tensor<4096x77xf32>
  return %r : tensor<4096x77xf32>
}

// -----

func.func @main(%a: tensor<4096x300xf32>, %b: tensor<300x77xf32>, %c: tensor<300x77xf32>)
    -> tensor<4096x77xf32> {
  %zero.p = arith.constant dense<0.0> : tensor<4096x77xf32>
  %p = linalg.matmul ins(%a, %b : tensor<4096x300xf32>, tensor<300x77xf32>)
      outs(%zero.p : tensor<4096x77xf32>) -> tensor<4096x77xf32>
  %zero.q = arith.constant dense<0.0> : tensor<4096x77xf32>
  %q = linalg.matmul ins(%a, %c : tensor<4096x300xf32>, tensor<300x77xf32>)
      outs(%zero.q : tensor<4096x77xf32>) -> tensor<4096x77xf32>
  %e.r = tensor.empty() : tensor<4096x77xf32>
  %r = linalg.add ins(%p, %q : tensor<4096x77xf32>, tensor<4096x77xf32>)
      outs(%e.r : tensor<4096x77xf32>) -> tensor<4096x77xf32>
  return %r : tensor<4096x77xf32>
}
