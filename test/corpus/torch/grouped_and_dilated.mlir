// grouped_and_dilated: what torch-mlir makes of it. Written by tools/import_corpus.py.
// OPTIMIZED @main

#map = affine_map<(d0, d1, d2, d3) -> ()>
#map1 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
module {
  func.func @main(%arg0: tensor<1x8x12x11xf32> {einnet.name = "x"}, %arg1: tensor<12x4x3x3xf32> {einnet.weight = "w"}, %arg2: tensor<6x12x2x3xf32> {einnet.weight = "v"}) -> (tensor<1x6x6x11xf32> {einnet.name = "y"}) {
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant dense<0.000000e+00> : tensor<f32>
    %cst_1 = arith.constant 1.000000e-01 : f32
    %padded = tensor.pad %arg0 low[0, 0, 2, 1] high[0, 0, 2, 1] {
    ^bb0(%arg3: index, %arg4: index, %arg5: index, %arg6: index):
      tensor.yield %cst : f32
    } : tensor<1x8x12x11xf32> to tensor<1x8x16x13xf32>
    %0 = tensor.empty() : tensor<1x12x12x11xf32>
    %expanded = tensor.expand_shape %padded [[0], [1, 2], [3], [4]] output_shape [1, 2, 4, 16, 13] : tensor<1x8x16x13xf32> into tensor<1x2x4x16x13xf32>
    %expanded_2 = tensor.expand_shape %arg1 [[0, 1], [2], [3], [4]] output_shape [2, 6, 4, 3, 3] : tensor<12x4x3x3xf32> into tensor<2x6x4x3x3xf32>
    %expanded_3 = tensor.expand_shape %0 [[0], [1, 2], [3], [4]] output_shape [1, 2, 6, 12, 11] : tensor<1x12x12x11xf32> into tensor<1x2x6x12x11xf32>
    %1 = linalg.fill ins(%cst : f32) outs(%expanded_3 : tensor<1x2x6x12x11xf32>) -> tensor<1x2x6x12x11xf32>
    %2 = linalg.conv_2d_ngchw_gfchw {dilations = dense<[2, 1]> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%expanded, %expanded_2 : tensor<1x2x4x16x13xf32>, tensor<2x6x4x3x3xf32>) outs(%1 : tensor<1x2x6x12x11xf32>) -> tensor<1x2x6x12x11xf32>
    %collapsed = tensor.collapse_shape %2 [[0], [1, 2], [3], [4]] : tensor<1x2x6x12x11xf32> into tensor<1x12x12x11xf32>
    %3 = linalg.generic {indexing_maps = [#map, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%cst_0, %collapsed : tensor<f32>, tensor<1x12x12x11xf32>) outs(%0 : tensor<1x12x12x11xf32>) {
    ^bb0(%in: f32, %in_5: f32, %out: f32):
      %10 = arith.cmpf ogt, %in, %in_5 : f32
      %11 = arith.select %10, %in, %in_5 : f32
      linalg.yield %11 : f32
    } -> tensor<1x12x12x11xf32>
    %4 = linalg.generic {indexing_maps = [#map, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%cst_0, %collapsed : tensor<f32>, tensor<1x12x12x11xf32>) outs(%0 : tensor<1x12x12x11xf32>) {
    ^bb0(%in: f32, %in_5: f32, %out: f32):
      %10 = arith.cmpf olt, %in, %in_5 : f32
      %11 = arith.select %10, %in, %in_5 : f32
      linalg.yield %11 : f32
    } -> tensor<1x12x12x11xf32>
    %5 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%4 : tensor<1x12x12x11xf32>) outs(%0 : tensor<1x12x12x11xf32>) {
    ^bb0(%in: f32, %out: f32):
      %10 = arith.mulf %in, %cst_1 : f32
      linalg.yield %10 : f32
    } -> tensor<1x12x12x11xf32>
    %6 = linalg.generic {indexing_maps = [#map1, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%3, %5 : tensor<1x12x12x11xf32>, tensor<1x12x12x11xf32>) outs(%0 : tensor<1x12x12x11xf32>) {
    ^bb0(%in: f32, %in_5: f32, %out: f32):
      %10 = arith.addf %in, %in_5 : f32
      linalg.yield %10 : f32
    } -> tensor<1x12x12x11xf32>
    %padded_4 = tensor.pad %6 low[0, 0, 0, 1] high[0, 0, 0, 1] {
    ^bb0(%arg3: index, %arg4: index, %arg5: index, %arg6: index):
      tensor.yield %cst : f32
    } : tensor<1x12x12x11xf32> to tensor<1x12x12x13xf32>
    %7 = tensor.empty() : tensor<1x6x6x11xf32>
    %8 = linalg.fill ins(%cst : f32) outs(%7 : tensor<1x6x6x11xf32>) -> tensor<1x6x6x11xf32>
    %9 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<[2, 1]> : vector<2xi64>} ins(%padded_4, %arg2 : tensor<1x12x12x13xf32>, tensor<6x12x2x3xf32>) outs(%8 : tensor<1x6x6x11xf32>) -> tensor<1x6x6x11xf32>
    return %9 : tensor<1x6x6x11xf32>
  }
}
