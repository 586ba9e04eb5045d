// equal

// Half of four times x is x + x.
func.func @main(%x: tensor<3x5xf32>)
    -> tensor<3x5xf32> {
  %c.u = arith.constant dense<4.0> : tensor<3x5xf32>
  %e.u = tensor.empty() : tensor<3x5xf32>
  %u = linalg.mul ins(%x, %c.u : tensor<3x5xf32>, tensor<3x5xf32>)
      outs(%e.u : tensor<3x5xf32>) -> tensor<3x5xf32>
  %c.r = arith.constant dense<0.5> : tensor<3x5xf32>
  %e.r = tensor.empty() : tensor<3x5xf32>
  %r = linalg.mul ins(%u, %c.r : tensor<3x5xf32>, tensor<3x5xf32>)
      outs(%e.r : tensor<3x5xf32>) -> tensor<3x5xf32>
  return %r : tensor<3x5xf32>
}

// -----

func.func @main(%x: tensor<3x5xf32>)
    -> tensor<3x5xf32> {
  %e.r = tensor.empty() : tensor<3x5xf32>
  %r = linalg.add ins(%x, %x : tensor<3x5xf32>, tensor<3x5xf32>)
      outs(%e.r : tensor<3x5xf32>) -> tensor<3x5xf32>
  return %r : tensor<3x5xf32>
}
