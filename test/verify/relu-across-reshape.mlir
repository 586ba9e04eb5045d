// equal

// A pointwise function commutes with a reshape.
func.func @main(%x: tensor<4096x4096xf32>)
    -> tensor<16777216xf32> {
  %empty.y = tensor.empty() : tensor<4096x4096xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>,
      affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4096x4096xf32>) outs(%empty.y : tensor<4096x4096xf32>) {
  ^bb0(%in: f32, %out: f32):
    %cst = arith.constant 0.0 : f32
    %max = arith.maximumf %in, %cst : f32
    linalg.yield %max : f32
  } -> tensor<4096x4096xf32>
  %r = tensor.collapse_shape %y [[0, 1]] : tensor<4096x4096xf32> into tensor<16777216xf32>
  return %r : tensor<16777216xf32>
}

// -----

func.func @main(%x: tensor<4096x4096xf32>)
    -> tensor<16777216xf32> {
  %y = tensor.collapse_shape %x [[0, 1]] : tensor<4096x4096xf32> into tensor<16777216xf32>
  %empty.r = tensor.empty() : tensor<16777216xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>,
      affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
      ins(%y : tensor<16777216xf32>) outs(%empty.r : tensor<16777216xf32>) {
  ^bb0(%in: f32, %out: f32):
    %cst = arith.constant 0.0 : f32
    %max = arith.maximumf %in, %cst : f32
    linalg.yield %max : f32
  } -> tensor<16777216xf32>
  return %r : tensor<16777216xf32>
}
