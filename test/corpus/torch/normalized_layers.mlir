// normalized_layers: what torch-mlir makes of it. Written by tools/import_corpus.py.
// OPTIMIZED @main

#map = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#map1 = affine_map<(d0, d1, d2) -> (d0, d1, 0)>
#map2 = affine_map<(d0, d1, d2) -> (d0, d1)>
#map3 = affine_map<(d0, d1, d2) -> (d2)>
#map4 = affine_map<(d0, d1, d2) -> (d1, d2)>
module {
  func.func @main(%arg0: tensor<3x5x16xf32> {einnet.name = "x"}, %arg1: tensor<16xf32> {einnet.weight = "g"}, %arg2: tensor<16xf32> {einnet.weight = "h"}, %arg3: tensor<16x32xf32> {einnet.weight = "w"}, %arg4: tensor<32x16xf32> {einnet.weight = "v"}) -> (tensor<3x5x16xf32> {einnet.name = "y"}) {
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant dense<1.000000e+00> : tensor<32xf32>
    %cst_1 = arith.constant 1.600000e+01 : f32
    %cst_2 = arith.constant 9.99999974E-6 : f32
    %0 = tensor.empty() : tensor<3x5x1xf32>
    %1 = linalg.fill ins(%cst : f32) outs(%0 : tensor<3x5x1xf32>) -> tensor<3x5x1xf32>
    %2 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "reduction"]} ins(%arg0 : tensor<3x5x16xf32>) outs(%1 : tensor<3x5x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %29 = arith.addf %in, %out : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x1xf32>
    %3 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%2 : tensor<3x5x1xf32>) outs(%0 : tensor<3x5x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %29 = arith.divf %in, %cst_1 : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x1xf32>
    %4 = tensor.empty() : tensor<3x5x16xf32>
    %collapsed = tensor.collapse_shape %3 [[0], [1, 2]] : tensor<3x5x1xf32> into tensor<3x5xf32>
    %5 = linalg.generic {indexing_maps = [#map2, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%collapsed : tensor<3x5xf32>) outs(%4 : tensor<3x5x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<3x5x16xf32>
    %6 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%arg0, %5 : tensor<3x5x16xf32>, tensor<3x5x16xf32>) outs(%4 : tensor<3x5x16xf32>) {
    ^bb0(%in: f32, %in_4: f32, %out: f32):
      %29 = arith.subf %in, %in_4 : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x16xf32>
    %7 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%6, %6 : tensor<3x5x16xf32>, tensor<3x5x16xf32>) outs(%4 : tensor<3x5x16xf32>) {
    ^bb0(%in: f32, %in_4: f32, %out: f32):
      %29 = arith.mulf %in, %in_4 : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x16xf32>
    %8 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "reduction"]} ins(%7 : tensor<3x5x16xf32>) outs(%1 : tensor<3x5x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %29 = arith.addf %in, %out : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x1xf32>
    %9 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%8 : tensor<3x5x1xf32>) outs(%0 : tensor<3x5x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %29 = arith.divf %in, %cst_1 : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x1xf32>
    %10 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%9 : tensor<3x5x1xf32>) outs(%0 : tensor<3x5x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %29 = arith.addf %in, %cst_2 : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x1xf32>
    %11 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%10 : tensor<3x5x1xf32>) outs(%0 : tensor<3x5x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %29 = math.rsqrt %in : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x1xf32>
    %collapsed_3 = tensor.collapse_shape %11 [[0], [1, 2]] : tensor<3x5x1xf32> into tensor<3x5xf32>
    %12 = linalg.generic {indexing_maps = [#map2, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%collapsed_3 : tensor<3x5xf32>) outs(%4 : tensor<3x5x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<3x5x16xf32>
    %13 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%6, %12 : tensor<3x5x16xf32>, tensor<3x5x16xf32>) outs(%4 : tensor<3x5x16xf32>) {
    ^bb0(%in: f32, %in_4: f32, %out: f32):
      %29 = arith.mulf %in, %in_4 : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x16xf32>
    %14 = linalg.generic {indexing_maps = [#map, #map3, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%13, %arg1 : tensor<3x5x16xf32>, tensor<16xf32>) outs(%4 : tensor<3x5x16xf32>) {
    ^bb0(%in: f32, %in_4: f32, %out: f32):
      %29 = arith.mulf %in, %in_4 : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x16xf32>
    %15 = linalg.generic {indexing_maps = [#map, #map3, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%14, %arg2 : tensor<3x5x16xf32>, tensor<16xf32>) outs(%4 : tensor<3x5x16xf32>) {
    ^bb0(%in: f32, %in_4: f32, %out: f32):
      %29 = arith.addf %in, %in_4 : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x16xf32>
    %16 = tensor.empty() : tensor<3x16x32xf32>
    %17 = linalg.generic {indexing_maps = [#map4, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%arg3 : tensor<16x32xf32>) outs(%16 : tensor<3x16x32xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<3x16x32xf32>
    %18 = tensor.empty() : tensor<3x5x32xf32>
    %19 = linalg.fill ins(%cst : f32) outs(%18 : tensor<3x5x32xf32>) -> tensor<3x5x32xf32>
    %20 = linalg.batch_matmul ins(%15, %17 : tensor<3x5x16xf32>, tensor<3x16x32xf32>) outs(%19 : tensor<3x5x32xf32>) -> tensor<3x5x32xf32>
    %21 = linalg.generic {indexing_maps = [#map, #map3, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%20, %cst_0 : tensor<3x5x32xf32>, tensor<32xf32>) outs(%18 : tensor<3x5x32xf32>) {
    ^bb0(%in: f32, %in_4: f32, %out: f32):
      %29 = arith.addf %in, %in_4 : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x32xf32>
    %22 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%21 : tensor<3x5x32xf32>) outs(%18 : tensor<3x5x32xf32>) {
    ^bb0(%in: f32, %out: f32):
      %29 = math.erf %in : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x32xf32>
    %23 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%21, %22 : tensor<3x5x32xf32>, tensor<3x5x32xf32>) outs(%18 : tensor<3x5x32xf32>) {
    ^bb0(%in: f32, %in_4: f32, %out: f32):
      %29 = arith.mulf %in, %in_4 : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x32xf32>
    %24 = tensor.empty() : tensor<3x32x16xf32>
    %25 = linalg.generic {indexing_maps = [#map4, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%arg4 : tensor<32x16xf32>) outs(%24 : tensor<3x32x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<3x32x16xf32>
    %26 = linalg.fill ins(%cst : f32) outs(%4 : tensor<3x5x16xf32>) -> tensor<3x5x16xf32>
    %27 = linalg.batch_matmul ins(%23, %25 : tensor<3x5x32xf32>, tensor<3x32x16xf32>) outs(%26 : tensor<3x5x16xf32>) -> tensor<3x5x16xf32>
    %28 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%27, %arg0 : tensor<3x5x16xf32>, tensor<3x5x16xf32>) outs(%4 : tensor<3x5x16xf32>) {
    ^bb0(%in: f32, %in_4: f32, %out: f32):
      %29 = arith.addf %in, %in_4 : f32
      linalg.yield %29 : f32
    } -> tensor<3x5x16xf32>
    return %28 : tensor<3x5x16xf32>
  }
}
