// A generator of three layers (examples/gan.py) as torch-mlir imports it.
#map = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map1 = affine_map<(d0, d1, d2, d3) -> (0, d1, 0, 0)>
module {
  func.func @main(%arg0: tensor<2x5x1x1xf32> {einnet.name = "latent"}, %arg1: tensor<5x4x2x2xf32> {einnet.weight = "layer0.weight"}, %arg2: tensor<4xf32> {einnet.weight = "layer0.norm.scale"}, %arg3: tensor<4xf32> {einnet.weight = "layer0.norm.bias"}, %arg4: tensor<4xf32> {einnet.weight = "layer0.norm.mean"}, %arg5: tensor<4xf32> {einnet.weight = "layer0.norm.var"}, %arg6: tensor<4x3x4x4xf32> {einnet.weight = "layer1.weight"}, %arg7: tensor<3xf32> {einnet.weight = "layer1.norm.scale"}, %arg8: tensor<3xf32> {einnet.weight = "layer1.norm.bias"}, %arg9: tensor<3xf32> {einnet.weight = "layer1.norm.mean"}, %arg10: tensor<3xf32> {einnet.weight = "layer1.norm.var"}, %arg11: tensor<3x2x4x4xf32> {einnet.weight = "layer2.weight"}) -> (tensor<2x2x8x8xf32> {einnet.name = "image"}) {
    %cst = arith.constant 0.000000e+00 : f32
    %c1 = arith.constant 1 : index
    %cst_0 = arith.constant 9.99999974E-6 : f32
    %c3 = arith.constant 3 : index
    %0 = tensor.empty() : tensor<4x5x2x2xf32>
    %1 = linalg.fill ins(%cst : f32) outs(%0 : tensor<4x5x2x2xf32>) -> tensor<4x5x2x2xf32>
    %2 = linalg.generic {indexing_maps = [#map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%1 : tensor<4x5x2x2xf32>) {
    ^bb0(%out: f32):
      %39 = linalg.index 0 : index
      %40 = linalg.index 1 : index
      %41 = linalg.index 2 : index
      %42 = linalg.index 3 : index
      %43 = arith.subi %c1, %41 : index
      %44 = arith.subi %c1, %42 : index
      %extracted = tensor.extract %arg1[%40, %39, %43, %44] : tensor<5x4x2x2xf32>
      linalg.yield %extracted : f32
    } -> tensor<4x5x2x2xf32>
    %3 = tensor.empty() : tensor<2x5x3x3xf32>
    %4 = linalg.fill ins(%cst : f32) outs(%3 : tensor<2x5x3x3xf32>) -> tensor<2x5x3x3xf32>
    %inserted_slice = tensor.insert_slice %arg0 into %4[0, 0, 1, 1] [2, 5, 1, 1] [1, 1, 1, 1] : tensor<2x5x1x1xf32> into tensor<2x5x3x3xf32>
    %5 = tensor.empty() : tensor<2x4x2x2xf32>
    %6 = linalg.fill ins(%cst : f32) outs(%5 : tensor<2x4x2x2xf32>) -> tensor<2x4x2x2xf32>
    %7 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%inserted_slice, %2 : tensor<2x5x3x3xf32>, tensor<4x5x2x2xf32>) outs(%6 : tensor<2x4x2x2xf32>) -> tensor<2x4x2x2xf32>
    %expanded = tensor.expand_shape %arg4 [[0, 1, 2, 3]] output_shape [1, 4, 1, 1] : tensor<4xf32> into tensor<1x4x1x1xf32>
    %expanded_1 = tensor.expand_shape %arg5 [[0, 1, 2, 3]] output_shape [1, 4, 1, 1] : tensor<4xf32> into tensor<1x4x1x1xf32>
    %8 = tensor.empty() : tensor<1x4x1x1xf32>
    %9 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_1 : tensor<1x4x1x1xf32>) outs(%8 : tensor<1x4x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %39 = arith.addf %in, %cst_0 : f32
      linalg.yield %39 : f32
    } -> tensor<1x4x1x1xf32>
    %10 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%9 : tensor<1x4x1x1xf32>) outs(%8 : tensor<1x4x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %39 = math.rsqrt %in : f32
      linalg.yield %39 : f32
    } -> tensor<1x4x1x1xf32>
    %11 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%7, %expanded : tensor<2x4x2x2xf32>, tensor<1x4x1x1xf32>) outs(%5 : tensor<2x4x2x2xf32>) {
    ^bb0(%in: f32, %in_10: f32, %out: f32):
      %39 = arith.subf %in, %in_10 : f32
      linalg.yield %39 : f32
    } -> tensor<2x4x2x2xf32>
    %12 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%11, %10 : tensor<2x4x2x2xf32>, tensor<1x4x1x1xf32>) outs(%5 : tensor<2x4x2x2xf32>) {
    ^bb0(%in: f32, %in_10: f32, %out: f32):
      %39 = arith.mulf %in, %in_10 : f32
      linalg.yield %39 : f32
    } -> tensor<2x4x2x2xf32>
    %expanded_2 = tensor.expand_shape %arg2 [[0, 1, 2, 3]] output_shape [1, 4, 1, 1] : tensor<4xf32> into tensor<1x4x1x1xf32>
    %13 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%12, %expanded_2 : tensor<2x4x2x2xf32>, tensor<1x4x1x1xf32>) outs(%5 : tensor<2x4x2x2xf32>) {
    ^bb0(%in: f32, %in_10: f32, %out: f32):
      %39 = arith.mulf %in, %in_10 : f32
      linalg.yield %39 : f32
    } -> tensor<2x4x2x2xf32>
    %expanded_3 = tensor.expand_shape %arg3 [[0, 1, 2, 3]] output_shape [1, 4, 1, 1] : tensor<4xf32> into tensor<1x4x1x1xf32>
    %14 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%13, %expanded_3 : tensor<2x4x2x2xf32>, tensor<1x4x1x1xf32>) outs(%5 : tensor<2x4x2x2xf32>) {
    ^bb0(%in: f32, %in_10: f32, %out: f32):
      %39 = arith.addf %in, %in_10 : f32
      linalg.yield %39 : f32
    } -> tensor<2x4x2x2xf32>
    %15 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%14 : tensor<2x4x2x2xf32>) outs(%5 : tensor<2x4x2x2xf32>) {
    ^bb0(%in: f32, %out: f32):
      %39 = arith.cmpf ugt, %in, %cst : f32
      %40 = arith.select %39, %in, %cst : f32
      linalg.yield %40 : f32
    } -> tensor<2x4x2x2xf32>
    %16 = tensor.empty() : tensor<3x4x4x4xf32>
    %17 = linalg.fill ins(%cst : f32) outs(%16 : tensor<3x4x4x4xf32>) -> tensor<3x4x4x4xf32>
    %18 = linalg.generic {indexing_maps = [#map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%17 : tensor<3x4x4x4xf32>) {
    ^bb0(%out: f32):
      %39 = linalg.index 0 : index
      %40 = linalg.index 1 : index
      %41 = linalg.index 2 : index
      %42 = linalg.index 3 : index
      %43 = arith.subi %c3, %41 : index
      %44 = arith.subi %c3, %42 : index
      %extracted = tensor.extract %arg6[%40, %39, %43, %44] : tensor<4x3x4x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<3x4x4x4xf32>
    %19 = tensor.empty() : tensor<2x4x7x7xf32>
    %20 = linalg.fill ins(%cst : f32) outs(%19 : tensor<2x4x7x7xf32>) -> tensor<2x4x7x7xf32>
    %inserted_slice_4 = tensor.insert_slice %15 into %20[0, 0, 2, 2] [2, 4, 2, 2] [1, 1, 2, 2] : tensor<2x4x2x2xf32> into tensor<2x4x7x7xf32>
    %21 = tensor.empty() : tensor<2x3x4x4xf32>
    %22 = linalg.fill ins(%cst : f32) outs(%21 : tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
    %23 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%inserted_slice_4, %18 : tensor<2x4x7x7xf32>, tensor<3x4x4x4xf32>) outs(%22 : tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
    %expanded_5 = tensor.expand_shape %arg9 [[0, 1, 2, 3]] output_shape [1, 3, 1, 1] : tensor<3xf32> into tensor<1x3x1x1xf32>
    %expanded_6 = tensor.expand_shape %arg10 [[0, 1, 2, 3]] output_shape [1, 3, 1, 1] : tensor<3xf32> into tensor<1x3x1x1xf32>
    %24 = tensor.empty() : tensor<1x3x1x1xf32>
    %25 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_6 : tensor<1x3x1x1xf32>) outs(%24 : tensor<1x3x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %39 = arith.addf %in, %cst_0 : f32
      linalg.yield %39 : f32
    } -> tensor<1x3x1x1xf32>
    %26 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%25 : tensor<1x3x1x1xf32>) outs(%24 : tensor<1x3x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %39 = math.rsqrt %in : f32
      linalg.yield %39 : f32
    } -> tensor<1x3x1x1xf32>
    %27 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%23, %expanded_5 : tensor<2x3x4x4xf32>, tensor<1x3x1x1xf32>) outs(%21 : tensor<2x3x4x4xf32>) {
    ^bb0(%in: f32, %in_10: f32, %out: f32):
      %39 = arith.subf %in, %in_10 : f32
      linalg.yield %39 : f32
    } -> tensor<2x3x4x4xf32>
    %28 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%27, %26 : tensor<2x3x4x4xf32>, tensor<1x3x1x1xf32>) outs(%21 : tensor<2x3x4x4xf32>) {
    ^bb0(%in: f32, %in_10: f32, %out: f32):
      %39 = arith.mulf %in, %in_10 : f32
      linalg.yield %39 : f32
    } -> tensor<2x3x4x4xf32>
    %expanded_7 = tensor.expand_shape %arg7 [[0, 1, 2, 3]] output_shape [1, 3, 1, 1] : tensor<3xf32> into tensor<1x3x1x1xf32>
    %29 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%28, %expanded_7 : tensor<2x3x4x4xf32>, tensor<1x3x1x1xf32>) outs(%21 : tensor<2x3x4x4xf32>) {
    ^bb0(%in: f32, %in_10: f32, %out: f32):
      %39 = arith.mulf %in, %in_10 : f32
      linalg.yield %39 : f32
    } -> tensor<2x3x4x4xf32>
    %expanded_8 = tensor.expand_shape %arg8 [[0, 1, 2, 3]] output_shape [1, 3, 1, 1] : tensor<3xf32> into tensor<1x3x1x1xf32>
    %30 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%29, %expanded_8 : tensor<2x3x4x4xf32>, tensor<1x3x1x1xf32>) outs(%21 : tensor<2x3x4x4xf32>) {
    ^bb0(%in: f32, %in_10: f32, %out: f32):
      %39 = arith.addf %in, %in_10 : f32
      linalg.yield %39 : f32
    } -> tensor<2x3x4x4xf32>
    %31 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%30 : tensor<2x3x4x4xf32>) outs(%21 : tensor<2x3x4x4xf32>) {
    ^bb0(%in: f32, %out: f32):
      %39 = arith.cmpf ugt, %in, %cst : f32
      %40 = arith.select %39, %in, %cst : f32
      linalg.yield %40 : f32
    } -> tensor<2x3x4x4xf32>
    %32 = linalg.generic {indexing_maps = [#map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%22 : tensor<2x3x4x4xf32>) {
    ^bb0(%out: f32):
      %39 = linalg.index 0 : index
      %40 = linalg.index 1 : index
      %41 = linalg.index 2 : index
      %42 = linalg.index 3 : index
      %43 = arith.subi %c3, %41 : index
      %44 = arith.subi %c3, %42 : index
      %extracted = tensor.extract %arg11[%40, %39, %43, %44] : tensor<3x2x4x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<2x3x4x4xf32>
    %33 = tensor.empty() : tensor<2x3x11x11xf32>
    %34 = linalg.fill ins(%cst : f32) outs(%33 : tensor<2x3x11x11xf32>) -> tensor<2x3x11x11xf32>
    %inserted_slice_9 = tensor.insert_slice %31 into %34[0, 0, 2, 2] [2, 3, 4, 4] [1, 1, 2, 2] : tensor<2x3x4x4xf32> into tensor<2x3x11x11xf32>
    %35 = tensor.empty() : tensor<2x2x8x8xf32>
    %36 = linalg.fill ins(%cst : f32) outs(%35 : tensor<2x2x8x8xf32>) -> tensor<2x2x8x8xf32>
    %37 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%inserted_slice_9, %32 : tensor<2x3x11x11xf32>, tensor<2x3x4x4xf32>) outs(%36 : tensor<2x2x8x8xf32>) -> tensor<2x2x8x8xf32>
    %38 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%37 : tensor<2x2x8x8xf32>) outs(%35 : tensor<2x2x8x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      %39 = math.tanh %in : f32
      linalg.yield %39 : f32
    } -> tensor<2x2x8x8xf32>
    return %38 : tensor<2x2x8x8xf32>
  }
}
