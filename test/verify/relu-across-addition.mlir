// different [0:16:1, 0:64:1]

// A pointwise function does not commute with an addition.
func.func @main(%x: tensor<16x64xf32>, %y: tensor<16x64xf32>)
    -> tensor<16x64xf32> {
  %e.s = tensor.empty() : tensor<16x64xf32>
  %s = linalg.add ins(%x, %y : tensor<16x64xf32>, tensor<16x64xf32>)
      outs(%e.s : tensor<16x64xf32>) -> tensor<16x64xf32>
  %empty.r = tensor.empty() : tensor<16x64xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>,
      affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
      ins(%s : tensor<16x64xf32>) outs(%empty.r : tensor<16x64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %cst = arith.constant 0.0 : f32
    %max = arith.maximumf %in, %cst : f32
    linalg.yield %max : f32
  } -> tensor<16x64xf32>
  return %r : tensor<16x64xf32>
}

// -----

func.func @main(%x: tensor<16x64xf32>, %y: tensor<16x64xf32>)
    -> tensor<16x64xf32> {
  %empty.u = tensor.empty() : tensor<16x64xf32>
  %u = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>,
      affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<16x64xf32>) outs(%empty.u : tensor<16x64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %cst = arith.constant 0.0 : f32
    %max = arith.maximumf %in, %cst : f32
    linalg.yield %max : f32
  } -> tensor<16x64xf32>
  %empty.v = tensor.empty() : tensor<16x64xf32>
  %v = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>,
      affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
      ins(%y : tensor<16x64xf32>) outs(%empty.v : tensor<16x64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %cst = arith.constant 0.0 : f32
    %max = arith.maximumf %in, %cst : f32
    linalg.yield %max : f32
  } -> tensor<16x64xf32>
  %e.r = tensor.empty() : tensor<16x64xf32>
  %r = linalg.add ins(%u, %v : tensor<16x64xf32>, tensor<16x64xf32>)
      outs(%e.r : tensor<16x64xf32>) -> tensor<16x64xf32>
  return %r : tensor<16x64xf32>
}
