// inverted_residual: what torch-mlir makes of it. Written by tools/import_corpus.py.
// OPTIMIZED @main

#map = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map1 = affine_map<(d0, d1, d2, d3) -> ()>
module {
  func.func @main(%arg0: tensor<1x6x9x9xf32> {einnet.name = "x"}, %arg1: tensor<24x6x1x1xf32> {einnet.weight = "w1"}, %arg2: tensor<24x1x3x3xf32> {einnet.weight = "w2"}, %arg3: tensor<8x24x1x1xf32> {einnet.weight = "w3"}) -> (tensor<1x8x5x5xf32> {einnet.name = "y"}) {
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant dense<6.000000e+00> : tensor<f32>
    %cst_1 = arith.constant 3.000000e+00 : f32
    %cst_2 = arith.constant 6.000000e+00 : f32
    %0 = tensor.empty() : tensor<1x24x9x9xf32>
    %1 = linalg.fill ins(%cst : f32) outs(%0 : tensor<1x24x9x9xf32>) -> tensor<1x24x9x9xf32>
    %2 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%arg0, %arg1 : tensor<1x6x9x9xf32>, tensor<24x6x1x1xf32>) outs(%1 : tensor<1x24x9x9xf32>) -> tensor<1x24x9x9xf32>
    %3 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%2 : tensor<1x24x9x9xf32>) outs(%0 : tensor<1x24x9x9xf32>) {
    ^bb0(%in: f32, %out: f32):
      %14 = arith.addf %in, %cst_1 : f32
      linalg.yield %14 : f32
    } -> tensor<1x24x9x9xf32>
    %4 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%3 : tensor<1x24x9x9xf32>) outs(%0 : tensor<1x24x9x9xf32>) {
    ^bb0(%in: f32, %out: f32):
      %14 = arith.cmpf ugt, %in, %cst : f32
      %15 = arith.select %14, %in, %cst : f32
      linalg.yield %15 : f32
    } -> tensor<1x24x9x9xf32>
    %5 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%4, %cst_0 : tensor<1x24x9x9xf32>, tensor<f32>) outs(%0 : tensor<1x24x9x9xf32>) {
    ^bb0(%in: f32, %in_3: f32, %out: f32):
      %14 = arith.cmpf olt, %in, %in_3 : f32
      %15 = arith.select %14, %in, %in_3 : f32
      linalg.yield %15 : f32
    } -> tensor<1x24x9x9xf32>
    %6 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%5 : tensor<1x24x9x9xf32>) outs(%0 : tensor<1x24x9x9xf32>) {
    ^bb0(%in: f32, %out: f32):
      %14 = arith.divf %in, %cst_2 : f32
      linalg.yield %14 : f32
    } -> tensor<1x24x9x9xf32>
    %7 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%6, %2 : tensor<1x24x9x9xf32>, tensor<1x24x9x9xf32>) outs(%0 : tensor<1x24x9x9xf32>) {
    ^bb0(%in: f32, %in_3: f32, %out: f32):
      %14 = arith.mulf %in, %in_3 : f32
      linalg.yield %14 : f32
    } -> tensor<1x24x9x9xf32>
    %padded = tensor.pad %7 low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%arg4: index, %arg5: index, %arg6: index, %arg7: index):
      tensor.yield %cst : f32
    } : tensor<1x24x9x9xf32> to tensor<1x24x11x11xf32>
    %8 = tensor.empty() : tensor<1x24x5x5xf32>
    %9 = linalg.fill ins(%cst : f32) outs(%8 : tensor<1x24x5x5xf32>) -> tensor<1x24x5x5xf32>
    %collapsed = tensor.collapse_shape %arg2 [[0, 1], [2], [3]] : tensor<24x1x3x3xf32> into tensor<24x3x3xf32>
    %10 = linalg.depthwise_conv_2d_nchw_chw {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>} ins(%padded, %collapsed : tensor<1x24x11x11xf32>, tensor<24x3x3xf32>) outs(%9 : tensor<1x24x5x5xf32>) -> tensor<1x24x5x5xf32>
    %11 = tensor.empty() : tensor<1x8x5x5xf32>
    %12 = linalg.fill ins(%cst : f32) outs(%11 : tensor<1x8x5x5xf32>) -> tensor<1x8x5x5xf32>
    %13 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%10, %arg3 : tensor<1x24x5x5xf32>, tensor<8x24x1x1xf32>) outs(%12 : tensor<1x8x5x5xf32>) -> tensor<1x8x5x5xf32>
    return %13 : tensor<1x8x5x5xf32>
  }
}
