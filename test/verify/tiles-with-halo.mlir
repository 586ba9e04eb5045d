// equal

// Two tiles with the neighbour's element between them are the whole.
func.func @main(%x: tensor<4096xf32>, %w: tensor<3xf32>)
    -> tensor<4096xf32> {
  %cst.p = arith.constant 0.0 : f32
  %p = tensor.pad %x low[1] high[1] {
  ^bb0(%i: index):
    tensor.yield %cst.p : f32
  } : tensor<4096xf32> to tensor<4098xf32>
  %zero.r = arith.constant dense<0.0> : tensor<4096xf32>
  %r = linalg.conv_1d ins(%p, %w : tensor<4098xf32>, tensor<3xf32>)
      outs(%zero.r : tensor<4096xf32>) -> tensor<4096xf32>
  return %r : tensor<4096xf32>
}

// -----

func.func @main(%x: tensor<4096xf32>, %w: tensor<3xf32>)
    -> tensor<4096xf32> {
  %cst.p = arith.constant 0.0 : f32
  %p = tensor.pad %x low[1] high[1] {
  ^bb0(%i: index):
    tensor.yield %cst.p : f32
  } : tensor<4096xf32> to tensor<4098xf32>
  %a = tensor.extract_slice %p[0] [2050] [1]
      : tensor<4098xf32> to tensor<2050xf32>
  %b = tensor.extract_slice %p[2048] [2050] [1]
      : tensor<4098xf32> to tensor<2050xf32>
  %zero.u = arith.constant dense<0.0> : tensor<2048xf32>
  %u = linalg.conv_1d ins(%a, %w : tensor<2050xf32>, tensor<3xf32>)
      outs(%zero.u : tensor<2048xf32>) -> tensor<2048xf32>
  %zero.v = arith.constant dense<0.0> : tensor<2048xf32>
  %v = linalg.conv_1d ins(%b, %w : tensor<2050xf32>, tensor<3xf32>)
      outs(%zero.v : tensor<2048xf32>) -> tensor<2048xf32>
  %r = tensor.concat dim(0) %u, %v : (tensor<2048xf32>, tensor<2048xf32>) -> tensor<4096xf32>
  return %r : tensor<4096xf32>
}
