// Ranks and extents at the edge: rank 0, extents of 0 and 1, sums of one term, sums of none. Typed
// by hand.
// LEFT ALONE @empty_sum: MLIR lowers no arguments with an empty axis behind others
// OPTIMIZED @empty_beside @kernel_as_large_as_the_input
func.func @rank_0(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<f32>) -> tensor<f32> {
  %0 = linalg.generic {indexing_maps = [affine_map<() -> ()>, affine_map<() -> ()>, affine_map<() -> ()>], iterator_types = []}
      ins(%a, %b : tensor<f32>, tensor<f32>) outs(%c : tensor<f32>) {
  ^bb0(%x: f32, %y: f32, %acc: f32):
    %m = arith.mulf %x, %y : f32
    %s = arith.addf %acc, %m : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  return %0 : tensor<f32>
}

func.func @empty_sum(%a: tensor<4x0xf32>, %b: tensor<0x5xf32>, %c: tensor<4x5xf32>) -> tensor<4x5xf32> {
  %0 = linalg.matmul ins(%a, %b : tensor<4x0xf32>, tensor<0x5xf32>) outs(%c : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

func.func @empty_result(%a: tensor<0x4xf32>, %b: tensor<4x5xf32>) -> tensor<0x5xf32> {
  %z = arith.constant dense<0.0> : tensor<0x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<0x4xf32>, tensor<4x5xf32>) outs(%z : tensor<0x5xf32>) -> tensor<0x5xf32>
  return %0 : tensor<0x5xf32>
}

func.func @empty_beside(%a: tensor<0x4xf32>, %b: tensor<4x5xf32>, %x: tensor<3x4xf32>) -> (tensor<0x5xf32>, tensor<3x5xf32>) {
  %z = tensor.empty() : tensor<0x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<0x4xf32>, tensor<4x5xf32>) outs(%z : tensor<0x5xf32>) -> tensor<0x5xf32>
  %z1 = arith.constant dense<0.0> : tensor<3x5xf32>
  %1 = linalg.matmul ins(%x, %b : tensor<3x4xf32>, tensor<4x5xf32>) outs(%z1 : tensor<3x5xf32>) -> tensor<3x5xf32>
  return %0, %1 : tensor<0x5xf32>, tensor<3x5xf32>
}

func.func @ones(%a: tensor<1x1xf32>, %b: tensor<1x1xf32>) -> tensor<1x1xf32> {
  %z = arith.constant dense<0.0> : tensor<1x1xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<1x1xf32>, tensor<1x1xf32>) outs(%z : tensor<1x1xf32>) -> tensor<1x1xf32>
  return %0 : tensor<1x1xf32>
}

func.func @one_term(%a: tensor<5x1xf32>, %b: tensor<1x6xf32>) -> tensor<5x6xf32> {
  %z = arith.constant dense<0.0> : tensor<5x6xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<5x1xf32>, tensor<1x6xf32>) outs(%z : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %0 : tensor<5x6xf32>
}

func.func @kernel_as_large_as_the_input(%x: tensor<2x3x4x4xf32>, %w: tensor<5x3x4x4xf32>) -> tensor<2x5x1x1xf32> {
  %z = arith.constant dense<0.0> : tensor<2x5x1x1xf32>
  %0 = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<2x3x4x4xf32>, tensor<5x3x4x4xf32>) outs(%z : tensor<2x5x1x1xf32>) -> tensor<2x5x1x1xf32>
  return %0 : tensor<2x5x1x1xf32>
}

func.func @no_result(%a: tensor<4x4xf32>) {
  %z = arith.constant dense<0.0> : tensor<4x4xf32>
  %0 = linalg.matmul ins(%a, %a : tensor<4x4xf32>, tensor<4x4xf32>) outs(%z : tensor<4x4xf32>) -> tensor<4x4xf32>
  return
}
