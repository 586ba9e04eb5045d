// residual_block: what torch-mlir makes of it. Written by tools/import_corpus.py.
// OPTIMIZED @main

#map = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map1 = affine_map<(d0, d1, d2, d3) -> (d0, d1, 0, 0)>
module {
  func.func @main(%arg0: tensor<1x8x10x10xf32> {einnet.name = "x"}, %arg1: tensor<8x8x3x3xf32> {einnet.weight = "w1"}, %arg2: tensor<8xf32> {einnet.weight = "scale"}, %arg3: tensor<8xf32> {einnet.weight = "shift"}, %arg4: tensor<8xf32> {einnet.weight = "mean"}, %arg5: tensor<8xf32> {einnet.weight = "var"}, %arg6: tensor<8x8x3x3xf32> {einnet.weight = "w2"}, %arg7: tensor<8xf32> {einnet.weight = "b2"}) -> (tensor<1x8x10x10xf32> {einnet.name = "y"}) {
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant 9.99999974E-6 : f32
    %padded = tensor.pad %arg0 low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%arg8: index, %arg9: index, %arg10: index, %arg11: index):
      tensor.yield %cst : f32
    } : tensor<1x8x10x10xf32> to tensor<1x8x12x12xf32>
    %0 = tensor.empty() : tensor<1x8x10x10xf32>
    %1 = linalg.fill ins(%cst : f32) outs(%0 : tensor<1x8x10x10xf32>) -> tensor<1x8x10x10xf32>
    %2 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%padded, %arg1 : tensor<1x8x12x12xf32>, tensor<8x8x3x3xf32>) outs(%1 : tensor<1x8x10x10xf32>) -> tensor<1x8x10x10xf32>
    %expanded = tensor.expand_shape %arg4 [[0, 1, 2, 3]] output_shape [1, 8, 1, 1] : tensor<8xf32> into tensor<1x8x1x1xf32>
    %expanded_1 = tensor.expand_shape %arg5 [[0, 1, 2, 3]] output_shape [1, 8, 1, 1] : tensor<8xf32> into tensor<1x8x1x1xf32>
    %3 = tensor.empty() : tensor<1x8x1x1xf32>
    %4 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_1 : tensor<1x8x1x1xf32>) outs(%3 : tensor<1x8x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %14 = arith.addf %in, %cst_0 : f32
      linalg.yield %14 : f32
    } -> tensor<1x8x1x1xf32>
    %5 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%4 : tensor<1x8x1x1xf32>) outs(%3 : tensor<1x8x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %14 = math.rsqrt %in : f32
      linalg.yield %14 : f32
    } -> tensor<1x8x1x1xf32>
    %6 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%2, %expanded : tensor<1x8x10x10xf32>, tensor<1x8x1x1xf32>) outs(%0 : tensor<1x8x10x10xf32>) {
    ^bb0(%in: f32, %in_5: f32, %out: f32):
      %14 = arith.subf %in, %in_5 : f32
      linalg.yield %14 : f32
    } -> tensor<1x8x10x10xf32>
    %7 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%6, %5 : tensor<1x8x10x10xf32>, tensor<1x8x1x1xf32>) outs(%0 : tensor<1x8x10x10xf32>) {
    ^bb0(%in: f32, %in_5: f32, %out: f32):
      %14 = arith.mulf %in, %in_5 : f32
      linalg.yield %14 : f32
    } -> tensor<1x8x10x10xf32>
    %expanded_2 = tensor.expand_shape %arg2 [[0, 1, 2, 3]] output_shape [1, 8, 1, 1] : tensor<8xf32> into tensor<1x8x1x1xf32>
    %8 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%7, %expanded_2 : tensor<1x8x10x10xf32>, tensor<1x8x1x1xf32>) outs(%0 : tensor<1x8x10x10xf32>) {
    ^bb0(%in: f32, %in_5: f32, %out: f32):
      %14 = arith.mulf %in, %in_5 : f32
      linalg.yield %14 : f32
    } -> tensor<1x8x10x10xf32>
    %expanded_3 = tensor.expand_shape %arg3 [[0, 1, 2, 3]] output_shape [1, 8, 1, 1] : tensor<8xf32> into tensor<1x8x1x1xf32>
    %9 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%8, %expanded_3 : tensor<1x8x10x10xf32>, tensor<1x8x1x1xf32>) outs(%0 : tensor<1x8x10x10xf32>) {
    ^bb0(%in: f32, %in_5: f32, %out: f32):
      %14 = arith.addf %in, %in_5 : f32
      linalg.yield %14 : f32
    } -> tensor<1x8x10x10xf32>
    %10 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%9 : tensor<1x8x10x10xf32>) outs(%0 : tensor<1x8x10x10xf32>) {
    ^bb0(%in: f32, %out: f32):
      %14 = arith.cmpf ugt, %in, %cst : f32
      %15 = arith.select %14, %in, %cst : f32
      linalg.yield %15 : f32
    } -> tensor<1x8x10x10xf32>
    %padded_4 = tensor.pad %10 low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%arg8: index, %arg9: index, %arg10: index, %arg11: index):
      tensor.yield %cst : f32
    } : tensor<1x8x10x10xf32> to tensor<1x8x12x12xf32>
    %broadcasted = linalg.broadcast ins(%arg7 : tensor<8xf32>) outs(%0 : tensor<1x8x10x10xf32>) dimensions = [0, 2, 3] 
    %11 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%padded_4, %arg6 : tensor<1x8x12x12xf32>, tensor<8x8x3x3xf32>) outs(%broadcasted : tensor<1x8x10x10xf32>) -> tensor<1x8x10x10xf32>
    %12 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%11, %arg0 : tensor<1x8x10x10xf32>, tensor<1x8x10x10xf32>) outs(%0 : tensor<1x8x10x10xf32>) {
    ^bb0(%in: f32, %in_5: f32, %out: f32):
      %14 = arith.addf %in, %in_5 : f32
      linalg.yield %14 : f32
    } -> tensor<1x8x10x10xf32>
    %13 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%12 : tensor<1x8x10x10xf32>) outs(%0 : tensor<1x8x10x10xf32>) {
    ^bb0(%in: f32, %out: f32):
      %14 = arith.cmpf ugt, %in, %cst : f32
      %15 = arith.select %14, %in, %cst : f32
      linalg.yield %15 : f32
    } -> tensor<1x8x10x10xf32>
    return %13 : tensor<1x8x10x10xf32>
  }
}
