// attention: what torch-mlir makes of it. Written by tools/import_corpus.py.
// OPTIMIZED @main

#map = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map1 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#map2 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>
module {
  func.func @main(%arg0: tensor<2x3x8x4xf32> {einnet.name = "q"}, %arg1: tensor<2x3x8x4xf32> {einnet.name = "k"}, %arg2: tensor<2x3x8x4xf32> {einnet.name = "v"}, %arg3: tensor<12x12xf32> {einnet.weight = "o"}) -> (tensor<16x12xf32> {einnet.name = "y"}) {
    %c0_i64 = arith.constant 0 : i64
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant 0xFF800000 : f32
    %0 = tensor.empty() : tensor<2x3x4x8xf32>
    %transposed = linalg.transpose ins(%arg1 : tensor<2x3x8x4xf32>) outs(%0 : tensor<2x3x4x8xf32>) permutation = [0, 1, 3, 2] 
    %collapsed = tensor.collapse_shape %arg0 [[0, 1], [2], [3]] : tensor<2x3x8x4xf32> into tensor<6x8x4xf32>
    %collapsed_1 = tensor.collapse_shape %transposed [[0, 1], [2], [3]] : tensor<2x3x4x8xf32> into tensor<6x4x8xf32>
    %1 = tensor.empty() : tensor<6x8x8xf32>
    %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<6x8x8xf32>) -> tensor<6x8x8xf32>
    %3 = linalg.batch_matmul ins(%collapsed, %collapsed_1 : tensor<6x8x4xf32>, tensor<6x4x8xf32>) outs(%2 : tensor<6x8x8xf32>) -> tensor<6x8x8xf32>
    %expanded = tensor.expand_shape %3 [[0, 1], [2], [3]] output_shape [2, 3, 8, 8] : tensor<6x8x8xf32> into tensor<2x3x8x8xf32>
    %4 = tensor.empty() : tensor<2x3x8xi64>
    %5 = linalg.fill ins(%c0_i64 : i64) outs(%4 : tensor<2x3x8xi64>) -> tensor<2x3x8xi64>
    %6 = tensor.empty() : tensor<2x3x8xf32>
    %7 = linalg.fill ins(%cst_0 : f32) outs(%6 : tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
    %8:2 = linalg.generic {indexing_maps = [#map, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%expanded : tensor<2x3x8x8xf32>) outs(%7, %5 : tensor<2x3x8xf32>, tensor<2x3x8xi64>) {
    ^bb0(%in: f32, %out: f32, %out_11: i64):
      %23 = linalg.index 3 : index
      %24 = arith.index_cast %23 : index to i64
      %25 = arith.maximumf %in, %out : f32
      %26 = arith.cmpf ogt, %in, %out : f32
      %27 = arith.select %26, %24, %out_11 : i64
      linalg.yield %25, %27 : f32, i64
    } -> (tensor<2x3x8xf32>, tensor<2x3x8xi64>)
    %expanded_2 = tensor.expand_shape %8#0 [[0], [1], [2, 3]] output_shape [2, 3, 8, 1] : tensor<2x3x8xf32> into tensor<2x3x8x1xf32>
    %9 = tensor.empty() : tensor<2x3x8x8xf32>
    %10 = linalg.generic {indexing_maps = [#map, #map2, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded, %expanded_2 : tensor<2x3x8x8xf32>, tensor<2x3x8x1xf32>) outs(%9 : tensor<2x3x8x8xf32>) {
    ^bb0(%in: f32, %in_11: f32, %out: f32):
      %23 = arith.subf %in, %in_11 : f32
      linalg.yield %23 : f32
    } -> tensor<2x3x8x8xf32>
    %11 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%10 : tensor<2x3x8x8xf32>) outs(%9 : tensor<2x3x8x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      %23 = math.exp %in : f32
      linalg.yield %23 : f32
    } -> tensor<2x3x8x8xf32>
    %12 = tensor.empty() : tensor<2x3x8x1xf32>
    %13 = linalg.fill ins(%cst : f32) outs(%12 : tensor<2x3x8x1xf32>) -> tensor<2x3x8x1xf32>
    %14 = linalg.generic {indexing_maps = [#map, #map2], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%11 : tensor<2x3x8x8xf32>) outs(%13 : tensor<2x3x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %23 = arith.addf %in, %out : f32
      linalg.yield %23 : f32
    } -> tensor<2x3x8x1xf32>
    %15 = linalg.generic {indexing_maps = [#map, #map2, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%11, %14 : tensor<2x3x8x8xf32>, tensor<2x3x8x1xf32>) outs(%9 : tensor<2x3x8x8xf32>) {
    ^bb0(%in: f32, %in_11: f32, %out: f32):
      %23 = arith.divf %in, %in_11 : f32
      linalg.yield %23 : f32
    } -> tensor<2x3x8x8xf32>
    %collapsed_3 = tensor.collapse_shape %15 [[0, 1], [2], [3]] : tensor<2x3x8x8xf32> into tensor<6x8x8xf32>
    %collapsed_4 = tensor.collapse_shape %arg2 [[0, 1], [2], [3]] : tensor<2x3x8x4xf32> into tensor<6x8x4xf32>
    %16 = tensor.empty() : tensor<6x8x4xf32>
    %17 = linalg.fill ins(%cst : f32) outs(%16 : tensor<6x8x4xf32>) -> tensor<6x8x4xf32>
    %18 = linalg.batch_matmul ins(%collapsed_3, %collapsed_4 : tensor<6x8x8xf32>, tensor<6x8x4xf32>) outs(%17 : tensor<6x8x4xf32>) -> tensor<6x8x4xf32>
    %expanded_5 = tensor.expand_shape %18 [[0, 1], [2], [3]] output_shape [2, 3, 8, 4] : tensor<6x8x4xf32> into tensor<2x3x8x4xf32>
    %19 = tensor.empty() : tensor<2x8x3x4xf32>
    %transposed_6 = linalg.transpose ins(%expanded_5 : tensor<2x3x8x4xf32>) outs(%19 : tensor<2x8x3x4xf32>) permutation = [0, 2, 1, 3] 
    %collapsed_7 = tensor.collapse_shape %transposed_6 [[0, 1], [2, 3]] : tensor<2x8x3x4xf32> into tensor<16x12xf32>
    %expanded_8 = tensor.expand_shape %collapsed_7 [[0, 1], [2]] output_shape [1, 16, 12] : tensor<16x12xf32> into tensor<1x16x12xf32>
    %expanded_9 = tensor.expand_shape %arg3 [[0, 1], [2]] output_shape [1, 12, 12] : tensor<12x12xf32> into tensor<1x12x12xf32>
    %20 = tensor.empty() : tensor<1x16x12xf32>
    %21 = linalg.fill ins(%cst : f32) outs(%20 : tensor<1x16x12xf32>) -> tensor<1x16x12xf32>
    %22 = linalg.batch_matmul ins(%expanded_8, %expanded_9 : tensor<1x16x12xf32>, tensor<1x12x12xf32>) outs(%21 : tensor<1x16x12xf32>) -> tensor<1x16x12xf32>
    %collapsed_10 = tensor.collapse_shape %22 [[0, 1], [2]] : tensor<1x16x12xf32> into tensor<16x12xf32>
    return %collapsed_10 : tensor<16x12xf32>
  }
}
