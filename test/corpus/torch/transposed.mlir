// transposed: what torch-mlir makes of it. Written by tools/import_corpus.py.
// OPTIMIZED @main

#map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>
#map1 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
module {
  func.func @main(%arg0: tensor<1x6x5x5xf32> {einnet.name = "x"}, %arg1: tensor<6x2x4x4xf32> {einnet.weight = "w"}, %arg2: tensor<6x3x3x3xf32> {einnet.weight = "v"}) -> (tensor<1x3x33x33xf32> {einnet.name = "y"}) {
    %cst = arith.constant 0.000000e+00 : f32
    %c3 = arith.constant 3 : index
    %c2 = arith.constant 2 : index
    %expanded = tensor.expand_shape %arg1 [[0, 1], [2], [3], [4]] output_shape [3, 2, 2, 4, 4] : tensor<6x2x4x4xf32> into tensor<3x2x2x4x4xf32>
    %0 = tensor.empty() : tensor<3x2x2x4x4xf32>
    %1 = linalg.fill ins(%cst : f32) outs(%0 : tensor<3x2x2x4x4xf32>) -> tensor<3x2x2x4x4xf32>
    %2 = linalg.generic {indexing_maps = [#map], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} outs(%1 : tensor<3x2x2x4x4xf32>) {
    ^bb0(%out: f32):
      %17 = linalg.index 0 : index
      %18 = linalg.index 1 : index
      %19 = linalg.index 2 : index
      %20 = linalg.index 3 : index
      %21 = linalg.index 4 : index
      %22 = arith.subi %c3, %20 : index
      %23 = arith.subi %c3, %21 : index
      %extracted = tensor.extract %expanded[%17, %19, %18, %22, %23] : tensor<3x2x2x4x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<3x2x2x4x4xf32>
    %3 = tensor.empty() : tensor<1x6x13x13xf32>
    %4 = linalg.fill ins(%cst : f32) outs(%3 : tensor<1x6x13x13xf32>) -> tensor<1x6x13x13xf32>
    %inserted_slice = tensor.insert_slice %arg0 into %4[0, 0, 2, 2] [1, 6, 5, 5] [1, 1, 2, 2] : tensor<1x6x5x5xf32> into tensor<1x6x13x13xf32>
    %5 = tensor.empty() : tensor<1x6x10x10xf32>
    %expanded_0 = tensor.expand_shape %inserted_slice [[0], [1, 2], [3], [4]] output_shape [1, 3, 2, 13, 13] : tensor<1x6x13x13xf32> into tensor<1x3x2x13x13xf32>
    %expanded_1 = tensor.expand_shape %5 [[0], [1, 2], [3], [4]] output_shape [1, 3, 2, 10, 10] : tensor<1x6x10x10xf32> into tensor<1x3x2x10x10xf32>
    %6 = linalg.fill ins(%cst : f32) outs(%expanded_1 : tensor<1x3x2x10x10xf32>) -> tensor<1x3x2x10x10xf32>
    %7 = linalg.conv_2d_ngchw_gfchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%expanded_0, %2 : tensor<1x3x2x13x13xf32>, tensor<3x2x2x4x4xf32>) outs(%6 : tensor<1x3x2x10x10xf32>) -> tensor<1x3x2x10x10xf32>
    %collapsed = tensor.collapse_shape %7 [[0], [1, 2], [3], [4]] : tensor<1x3x2x10x10xf32> into tensor<1x6x10x10xf32>
    %8 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%collapsed : tensor<1x6x10x10xf32>) outs(%5 : tensor<1x6x10x10xf32>) {
    ^bb0(%in: f32, %out: f32):
      %17 = math.tanh %in : f32
      linalg.yield %17 : f32
    } -> tensor<1x6x10x10xf32>
    %9 = tensor.empty() : tensor<3x6x3x3xf32>
    %10 = linalg.fill ins(%cst : f32) outs(%9 : tensor<3x6x3x3xf32>) -> tensor<3x6x3x3xf32>
    %11 = linalg.generic {indexing_maps = [#map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%10 : tensor<3x6x3x3xf32>) {
    ^bb0(%out: f32):
      %17 = linalg.index 0 : index
      %18 = linalg.index 1 : index
      %19 = linalg.index 2 : index
      %20 = linalg.index 3 : index
      %21 = arith.subi %c2, %19 : index
      %22 = arith.subi %c2, %20 : index
      %extracted = tensor.extract %arg2[%18, %17, %21, %22] : tensor<6x3x3x3xf32>
      linalg.yield %extracted : f32
    } -> tensor<3x6x3x3xf32>
    %12 = tensor.empty() : tensor<1x6x37x37xf32>
    %13 = linalg.fill ins(%cst : f32) outs(%12 : tensor<1x6x37x37xf32>) -> tensor<1x6x37x37xf32>
    %inserted_slice_2 = tensor.insert_slice %8 into %13[0, 0, 4, 4] [1, 6, 10, 10] [1, 1, 3, 3] : tensor<1x6x10x10xf32> into tensor<1x6x37x37xf32>
    %14 = tensor.empty() : tensor<1x3x33x33xf32>
    %15 = linalg.fill ins(%cst : f32) outs(%14 : tensor<1x3x33x33xf32>) -> tensor<1x3x33x33xf32>
    %16 = linalg.conv_2d_nchw_fchw {dilations = dense<2> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%inserted_slice_2, %11 : tensor<1x6x37x37xf32>, tensor<3x6x3x3xf32>) outs(%15 : tensor<1x3x33x33xf32>) -> tensor<1x3x33x33xf32>
    return %16 : tensor<1x3x33x33xf32>
  }
}
