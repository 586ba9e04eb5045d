// classifier: what torch-mlir makes of it. Written by tools/import_corpus.py.
// OPTIMIZED @main

#map = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map1 = affine_map<(d0, d1) -> (d0, d1)>
#map2 = affine_map<(d0, d1) -> (d1)>
module {
  func.func @main(%arg0: tensor<2x3x15x15xf32> {einnet.name = "x"}, %arg1: tensor<8x3x5x5xf32> {einnet.weight = "w"}, %arg2: tensor<8xf32> {einnet.weight = "b"}, %arg3: tensor<10x8xf32> {einnet.weight = "v"}, %arg4: tensor<10xf32> {einnet.weight = "c"}) -> (tensor<2x10xf32> {einnet.name = "y"}) {
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant 1.000000e+00 : f32
    %cst_1 = arith.constant 0xFF800000 : f32
    %cst_2 = arith.constant 4.000000e+00 : f32
    %cst_3 = arith.constant 9.000000e+00 : f32
    %padded = tensor.pad %arg0 low[0, 0, 2, 2] high[0, 0, 2, 2] {
    ^bb0(%arg5: index, %arg6: index, %arg7: index, %arg8: index):
      tensor.yield %cst : f32
    } : tensor<2x3x15x15xf32> to tensor<2x3x19x19xf32>
    %0 = tensor.empty() : tensor<2x8x8x8xf32>
    %broadcasted = linalg.broadcast ins(%arg2 : tensor<8xf32>) outs(%0 : tensor<2x8x8x8xf32>) dimensions = [0, 2, 3] 
    %1 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>} ins(%padded, %arg1 : tensor<2x3x19x19xf32>, tensor<8x3x5x5xf32>) outs(%broadcasted : tensor<2x8x8x8xf32>) -> tensor<2x8x8x8xf32>
    %2 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%1 : tensor<2x8x8x8xf32>) outs(%0 : tensor<2x8x8x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      %21 = arith.negf %in : f32
      %22 = math.exp %21 : f32
      %23 = arith.addf %22, %cst_0 : f32
      %24 = arith.divf %cst_0, %23 : f32
      linalg.yield %24 : f32
    } -> tensor<2x8x8x8xf32>
    %padded_4 = tensor.pad %2 low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%arg5: index, %arg6: index, %arg7: index, %arg8: index):
      tensor.yield %cst_1 : f32
    } : tensor<2x8x8x8xf32> to tensor<2x8x10x10xf32>
    %3 = tensor.empty() : tensor<2x8x4x4xf32>
    %4 = linalg.fill ins(%cst_1 : f32) outs(%3 : tensor<2x8x4x4xf32>) -> tensor<2x8x4x4xf32>
    %5 = tensor.empty() : tensor<3x3xf32>
    %6 = linalg.pooling_nchw_max {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>} ins(%padded_4, %5 : tensor<2x8x10x10xf32>, tensor<3x3xf32>) outs(%4 : tensor<2x8x4x4xf32>) -> tensor<2x8x4x4xf32>
    %7 = tensor.empty() : tensor<2x8x3x3xf32>
    %8 = linalg.fill ins(%cst : f32) outs(%7 : tensor<2x8x3x3xf32>) -> tensor<2x8x3x3xf32>
    %9 = tensor.empty() : tensor<2x2xf32>
    %10 = linalg.pooling_nchw_sum {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%6, %9 : tensor<2x8x4x4xf32>, tensor<2x2xf32>) outs(%8 : tensor<2x8x3x3xf32>) -> tensor<2x8x3x3xf32>
    %11 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%10 : tensor<2x8x3x3xf32>) outs(%7 : tensor<2x8x3x3xf32>) {
    ^bb0(%in: f32, %out: f32):
      %21 = arith.divf %in, %cst_2 : f32
      linalg.yield %21 : f32
    } -> tensor<2x8x3x3xf32>
    %12 = tensor.empty() : tensor<2x8x1x1xf32>
    %13 = linalg.fill ins(%cst : f32) outs(%12 : tensor<2x8x1x1xf32>) -> tensor<2x8x1x1xf32>
    %14 = linalg.pooling_nchw_sum {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%11, %5 : tensor<2x8x3x3xf32>, tensor<3x3xf32>) outs(%13 : tensor<2x8x1x1xf32>) -> tensor<2x8x1x1xf32>
    %15 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%14 : tensor<2x8x1x1xf32>) outs(%12 : tensor<2x8x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %21 = arith.divf %in, %cst_3 : f32
      linalg.yield %21 : f32
    } -> tensor<2x8x1x1xf32>
    %collapsed = tensor.collapse_shape %15 [[0], [1, 2, 3]] : tensor<2x8x1x1xf32> into tensor<2x8xf32>
    %16 = tensor.empty() : tensor<8x10xf32>
    %transposed = linalg.transpose ins(%arg3 : tensor<10x8xf32>) outs(%16 : tensor<8x10xf32>) permutation = [1, 0] 
    %17 = tensor.empty() : tensor<2x10xf32>
    %18 = linalg.fill ins(%cst : f32) outs(%17 : tensor<2x10xf32>) -> tensor<2x10xf32>
    %19 = linalg.matmul ins(%collapsed, %transposed : tensor<2x8xf32>, tensor<8x10xf32>) outs(%18 : tensor<2x10xf32>) -> tensor<2x10xf32>
    %20 = linalg.generic {indexing_maps = [#map1, #map2, #map1], iterator_types = ["parallel", "parallel"]} ins(%19, %arg4 : tensor<2x10xf32>, tensor<10xf32>) outs(%17 : tensor<2x10xf32>) {
    ^bb0(%in: f32, %in_5: f32, %out: f32):
      %21 = arith.addf %in, %in_5 : f32
      linalg.yield %21 : f32
    } -> tensor<2x10xf32>
    return %20 : tensor<2x10xf32>
  }
}
