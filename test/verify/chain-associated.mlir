// equal

// A B C from the left and from the right: the sums change their order.
func.func @main(%a: tensor<128x256xf32>, %b: tensor<256x512xf32>, %c: tensor<512x64xf32>)
    -> tensor<128x64xf32> {
  %zero.p = arith.constant dense<0.0> : tensor<128x512xf32>
  %p = linalg.matmul ins(%a, %b : tensor<128x256xf32>, tensor<256x512xf32>)
      outs(%zero.p : tensor<128x512xf32>) -> tensor<128x512xf32>
  %zero = arith.constant dense<0.0> : tensor<128x64xf32>
  %r = linalg.matmul ins(%p, %c : tensor<128x512xf32>, tensor<512x64xf32>)
      outs(%zero : tensor<128x64xf32>) -> tensor<128x64xf32>
  return %r : tensor<128x64xf32>
}

// -----

func.func @main(%a: tensor<128x256xf32>, %b: tensor<256x512xf32>, %c: tensor<512x64xf32>)
    -> tensor<128x64xf32> {
  %zero.p = arith.constant dense<0.0> : tensor<256x64xf32>
  %p = linalg.matmul ins(%b, %c : tensor<256x512xf32>, tensor<512x64xf32>)
      outs(%zero.p : tensor<256x64xf32>) -> tensor<256x64xf32>
  %zero = arith.constant dense<0.0> : tensor<128x64xf32>
  %r = linalg.matmul ins(%a, %p : tensor<128x256xf32>, tensor<256x64xf32>)
      outs(%zero : tensor<128x64xf32>) -> tensor<128x64xf32>
  return %r : tensor<128x64xf32>
}
