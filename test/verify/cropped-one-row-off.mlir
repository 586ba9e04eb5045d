// different [0, 0:4096:1] [1:4096:1, 0:4096:1]

// The crop starts in the padding: each row is the one before, the first is zero.
func.func @main(%x: tensor<4096x4096xf32>)
    -> tensor<4096x4096xf32> {
  return %x : tensor<4096x4096xf32>
}

// -----

func.func @main(%x: tensor<4096x4096xf32>)
    -> tensor<4096x4096xf32> {
  %cst.p = arith.constant 0.0 : f32
  %p = tensor.pad %x low[2, 1] high[1, 2] {
  ^bb0(%i: index, %j: index):
    tensor.yield %cst.p : f32
  } : tensor<4096x4096xf32> to tensor<4099x4099xf32>
  %r = tensor.extract_slice %p[1, 1] [4096, 4096] [1, 1]
      : tensor<4099x4099xf32> to tensor<4096x4096xf32>
  return %r : tensor<4096x4096xf32>
}
