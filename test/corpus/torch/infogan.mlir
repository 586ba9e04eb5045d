// infogan: what torch-mlir makes of it. Written by tools/import_corpus.py.
// OPTIMIZED @main

#map = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map1 = affine_map<(d0, d1, d2, d3) -> (d0, d1, 0, 0)>
module {
  func.func @main(%arg0: tensor<1x228x1x1xf32> {einnet.name = "latent"}, %arg1: tensor<228x448x2x2xf32> {einnet.weight = "layer0.weight"}, %arg2: tensor<448xf32> {einnet.weight = "layer0.norm.scale"}, %arg3: tensor<448xf32> {einnet.weight = "layer0.norm.bias"}, %arg4: tensor<448xf32> {einnet.weight = "layer0.norm.mean"}, %arg5: tensor<448xf32> {einnet.weight = "layer0.norm.var"}, %arg6: tensor<448x256x4x4xf32> {einnet.weight = "layer1.weight"}, %arg7: tensor<256xf32> {einnet.weight = "layer1.norm.scale"}, %arg8: tensor<256xf32> {einnet.weight = "layer1.norm.bias"}, %arg9: tensor<256xf32> {einnet.weight = "layer1.norm.mean"}, %arg10: tensor<256xf32> {einnet.weight = "layer1.norm.var"}, %arg11: tensor<256x128x4x4xf32> {einnet.weight = "layer2.weight"}, %arg12: tensor<128xf32> {einnet.weight = "layer2.norm.scale"}, %arg13: tensor<128xf32> {einnet.weight = "layer2.norm.bias"}, %arg14: tensor<128xf32> {einnet.weight = "layer2.norm.mean"}, %arg15: tensor<128xf32> {einnet.weight = "layer2.norm.var"}, %arg16: tensor<128x64x4x4xf32> {einnet.weight = "layer3.weight"}, %arg17: tensor<64xf32> {einnet.weight = "layer3.norm.scale"}, %arg18: tensor<64xf32> {einnet.weight = "layer3.norm.bias"}, %arg19: tensor<64xf32> {einnet.weight = "layer3.norm.mean"}, %arg20: tensor<64xf32> {einnet.weight = "layer3.norm.var"}, %arg21: tensor<64x3x4x4xf32> {einnet.weight = "layer4.weight"}) -> (tensor<1x3x32x32xf32> {einnet.name = "image"}) {
    %cst = arith.constant 0.000000e+00 : f32
    %c1 = arith.constant 1 : index
    %cst_0 = arith.constant 9.99999974E-6 : f32
    %c3 = arith.constant 3 : index
    %0 = tensor.empty() : tensor<448x228x2x2xf32>
    %1 = linalg.fill ins(%cst : f32) outs(%0 : tensor<448x228x2x2xf32>) -> tensor<448x228x2x2xf32>
    %2 = linalg.generic {indexing_maps = [#map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%1 : tensor<448x228x2x2xf32>) {
    ^bb0(%out: f32):
      %73 = linalg.index 0 : index
      %74 = linalg.index 1 : index
      %75 = linalg.index 2 : index
      %76 = linalg.index 3 : index
      %77 = arith.subi %c1, %75 : index
      %78 = arith.subi %c1, %76 : index
      %extracted = tensor.extract %arg1[%74, %73, %77, %78] : tensor<228x448x2x2xf32>
      linalg.yield %extracted : f32
    } -> tensor<448x228x2x2xf32>
    %3 = tensor.empty() : tensor<1x228x3x3xf32>
    %4 = linalg.fill ins(%cst : f32) outs(%3 : tensor<1x228x3x3xf32>) -> tensor<1x228x3x3xf32>
    %inserted_slice = tensor.insert_slice %arg0 into %4[0, 0, 1, 1] [1, 228, 1, 1] [1, 1, 1, 1] : tensor<1x228x1x1xf32> into tensor<1x228x3x3xf32>
    %5 = tensor.empty() : tensor<1x448x2x2xf32>
    %6 = linalg.fill ins(%cst : f32) outs(%5 : tensor<1x448x2x2xf32>) -> tensor<1x448x2x2xf32>
    %7 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%inserted_slice, %2 : tensor<1x228x3x3xf32>, tensor<448x228x2x2xf32>) outs(%6 : tensor<1x448x2x2xf32>) -> tensor<1x448x2x2xf32>
    %expanded = tensor.expand_shape %arg4 [[0, 1, 2, 3]] output_shape [1, 448, 1, 1] : tensor<448xf32> into tensor<1x448x1x1xf32>
    %expanded_1 = tensor.expand_shape %arg5 [[0, 1, 2, 3]] output_shape [1, 448, 1, 1] : tensor<448xf32> into tensor<1x448x1x1xf32>
    %8 = tensor.empty() : tensor<1x448x1x1xf32>
    %9 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_1 : tensor<1x448x1x1xf32>) outs(%8 : tensor<1x448x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = arith.addf %in, %cst_0 : f32
      linalg.yield %73 : f32
    } -> tensor<1x448x1x1xf32>
    %10 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%9 : tensor<1x448x1x1xf32>) outs(%8 : tensor<1x448x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = math.rsqrt %in : f32
      linalg.yield %73 : f32
    } -> tensor<1x448x1x1xf32>
    %11 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%7, %expanded : tensor<1x448x2x2xf32>, tensor<1x448x1x1xf32>) outs(%5 : tensor<1x448x2x2xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.subf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x448x2x2xf32>
    %12 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%11, %10 : tensor<1x448x2x2xf32>, tensor<1x448x1x1xf32>) outs(%5 : tensor<1x448x2x2xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.mulf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x448x2x2xf32>
    %expanded_2 = tensor.expand_shape %arg2 [[0, 1, 2, 3]] output_shape [1, 448, 1, 1] : tensor<448xf32> into tensor<1x448x1x1xf32>
    %13 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%12, %expanded_2 : tensor<1x448x2x2xf32>, tensor<1x448x1x1xf32>) outs(%5 : tensor<1x448x2x2xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.mulf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x448x2x2xf32>
    %expanded_3 = tensor.expand_shape %arg3 [[0, 1, 2, 3]] output_shape [1, 448, 1, 1] : tensor<448xf32> into tensor<1x448x1x1xf32>
    %14 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%13, %expanded_3 : tensor<1x448x2x2xf32>, tensor<1x448x1x1xf32>) outs(%5 : tensor<1x448x2x2xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.addf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x448x2x2xf32>
    %15 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%14 : tensor<1x448x2x2xf32>) outs(%5 : tensor<1x448x2x2xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = arith.cmpf ugt, %in, %cst : f32
      %74 = arith.select %73, %in, %cst : f32
      linalg.yield %74 : f32
    } -> tensor<1x448x2x2xf32>
    %16 = tensor.empty() : tensor<256x448x4x4xf32>
    %17 = linalg.fill ins(%cst : f32) outs(%16 : tensor<256x448x4x4xf32>) -> tensor<256x448x4x4xf32>
    %18 = linalg.generic {indexing_maps = [#map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%17 : tensor<256x448x4x4xf32>) {
    ^bb0(%out: f32):
      %73 = linalg.index 0 : index
      %74 = linalg.index 1 : index
      %75 = linalg.index 2 : index
      %76 = linalg.index 3 : index
      %77 = arith.subi %c3, %75 : index
      %78 = arith.subi %c3, %76 : index
      %extracted = tensor.extract %arg6[%74, %73, %77, %78] : tensor<448x256x4x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<256x448x4x4xf32>
    %19 = tensor.empty() : tensor<1x448x7x7xf32>
    %20 = linalg.fill ins(%cst : f32) outs(%19 : tensor<1x448x7x7xf32>) -> tensor<1x448x7x7xf32>
    %inserted_slice_4 = tensor.insert_slice %15 into %20[0, 0, 2, 2] [1, 448, 2, 2] [1, 1, 2, 2] : tensor<1x448x2x2xf32> into tensor<1x448x7x7xf32>
    %21 = tensor.empty() : tensor<1x256x4x4xf32>
    %22 = linalg.fill ins(%cst : f32) outs(%21 : tensor<1x256x4x4xf32>) -> tensor<1x256x4x4xf32>
    %23 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%inserted_slice_4, %18 : tensor<1x448x7x7xf32>, tensor<256x448x4x4xf32>) outs(%22 : tensor<1x256x4x4xf32>) -> tensor<1x256x4x4xf32>
    %expanded_5 = tensor.expand_shape %arg9 [[0, 1, 2, 3]] output_shape [1, 256, 1, 1] : tensor<256xf32> into tensor<1x256x1x1xf32>
    %expanded_6 = tensor.expand_shape %arg10 [[0, 1, 2, 3]] output_shape [1, 256, 1, 1] : tensor<256xf32> into tensor<1x256x1x1xf32>
    %24 = tensor.empty() : tensor<1x256x1x1xf32>
    %25 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_6 : tensor<1x256x1x1xf32>) outs(%24 : tensor<1x256x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = arith.addf %in, %cst_0 : f32
      linalg.yield %73 : f32
    } -> tensor<1x256x1x1xf32>
    %26 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%25 : tensor<1x256x1x1xf32>) outs(%24 : tensor<1x256x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = math.rsqrt %in : f32
      linalg.yield %73 : f32
    } -> tensor<1x256x1x1xf32>
    %27 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%23, %expanded_5 : tensor<1x256x4x4xf32>, tensor<1x256x1x1xf32>) outs(%21 : tensor<1x256x4x4xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.subf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x256x4x4xf32>
    %28 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%27, %26 : tensor<1x256x4x4xf32>, tensor<1x256x1x1xf32>) outs(%21 : tensor<1x256x4x4xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.mulf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x256x4x4xf32>
    %expanded_7 = tensor.expand_shape %arg7 [[0, 1, 2, 3]] output_shape [1, 256, 1, 1] : tensor<256xf32> into tensor<1x256x1x1xf32>
    %29 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%28, %expanded_7 : tensor<1x256x4x4xf32>, tensor<1x256x1x1xf32>) outs(%21 : tensor<1x256x4x4xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.mulf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x256x4x4xf32>
    %expanded_8 = tensor.expand_shape %arg8 [[0, 1, 2, 3]] output_shape [1, 256, 1, 1] : tensor<256xf32> into tensor<1x256x1x1xf32>
    %30 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%29, %expanded_8 : tensor<1x256x4x4xf32>, tensor<1x256x1x1xf32>) outs(%21 : tensor<1x256x4x4xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.addf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x256x4x4xf32>
    %31 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%30 : tensor<1x256x4x4xf32>) outs(%21 : tensor<1x256x4x4xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = arith.cmpf ugt, %in, %cst : f32
      %74 = arith.select %73, %in, %cst : f32
      linalg.yield %74 : f32
    } -> tensor<1x256x4x4xf32>
    %32 = tensor.empty() : tensor<128x256x4x4xf32>
    %33 = linalg.fill ins(%cst : f32) outs(%32 : tensor<128x256x4x4xf32>) -> tensor<128x256x4x4xf32>
    %34 = linalg.generic {indexing_maps = [#map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%33 : tensor<128x256x4x4xf32>) {
    ^bb0(%out: f32):
      %73 = linalg.index 0 : index
      %74 = linalg.index 1 : index
      %75 = linalg.index 2 : index
      %76 = linalg.index 3 : index
      %77 = arith.subi %c3, %75 : index
      %78 = arith.subi %c3, %76 : index
      %extracted = tensor.extract %arg11[%74, %73, %77, %78] : tensor<256x128x4x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<128x256x4x4xf32>
    %35 = tensor.empty() : tensor<1x256x11x11xf32>
    %36 = linalg.fill ins(%cst : f32) outs(%35 : tensor<1x256x11x11xf32>) -> tensor<1x256x11x11xf32>
    %inserted_slice_9 = tensor.insert_slice %31 into %36[0, 0, 2, 2] [1, 256, 4, 4] [1, 1, 2, 2] : tensor<1x256x4x4xf32> into tensor<1x256x11x11xf32>
    %37 = tensor.empty() : tensor<1x128x8x8xf32>
    %38 = linalg.fill ins(%cst : f32) outs(%37 : tensor<1x128x8x8xf32>) -> tensor<1x128x8x8xf32>
    %39 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%inserted_slice_9, %34 : tensor<1x256x11x11xf32>, tensor<128x256x4x4xf32>) outs(%38 : tensor<1x128x8x8xf32>) -> tensor<1x128x8x8xf32>
    %expanded_10 = tensor.expand_shape %arg14 [[0, 1, 2, 3]] output_shape [1, 128, 1, 1] : tensor<128xf32> into tensor<1x128x1x1xf32>
    %expanded_11 = tensor.expand_shape %arg15 [[0, 1, 2, 3]] output_shape [1, 128, 1, 1] : tensor<128xf32> into tensor<1x128x1x1xf32>
    %40 = tensor.empty() : tensor<1x128x1x1xf32>
    %41 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_11 : tensor<1x128x1x1xf32>) outs(%40 : tensor<1x128x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = arith.addf %in, %cst_0 : f32
      linalg.yield %73 : f32
    } -> tensor<1x128x1x1xf32>
    %42 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%41 : tensor<1x128x1x1xf32>) outs(%40 : tensor<1x128x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = math.rsqrt %in : f32
      linalg.yield %73 : f32
    } -> tensor<1x128x1x1xf32>
    %43 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%39, %expanded_10 : tensor<1x128x8x8xf32>, tensor<1x128x1x1xf32>) outs(%37 : tensor<1x128x8x8xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.subf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x128x8x8xf32>
    %44 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%43, %42 : tensor<1x128x8x8xf32>, tensor<1x128x1x1xf32>) outs(%37 : tensor<1x128x8x8xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.mulf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x128x8x8xf32>
    %expanded_12 = tensor.expand_shape %arg12 [[0, 1, 2, 3]] output_shape [1, 128, 1, 1] : tensor<128xf32> into tensor<1x128x1x1xf32>
    %45 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%44, %expanded_12 : tensor<1x128x8x8xf32>, tensor<1x128x1x1xf32>) outs(%37 : tensor<1x128x8x8xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.mulf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x128x8x8xf32>
    %expanded_13 = tensor.expand_shape %arg13 [[0, 1, 2, 3]] output_shape [1, 128, 1, 1] : tensor<128xf32> into tensor<1x128x1x1xf32>
    %46 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%45, %expanded_13 : tensor<1x128x8x8xf32>, tensor<1x128x1x1xf32>) outs(%37 : tensor<1x128x8x8xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.addf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x128x8x8xf32>
    %47 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%46 : tensor<1x128x8x8xf32>) outs(%37 : tensor<1x128x8x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = arith.cmpf ugt, %in, %cst : f32
      %74 = arith.select %73, %in, %cst : f32
      linalg.yield %74 : f32
    } -> tensor<1x128x8x8xf32>
    %48 = tensor.empty() : tensor<64x128x4x4xf32>
    %49 = linalg.fill ins(%cst : f32) outs(%48 : tensor<64x128x4x4xf32>) -> tensor<64x128x4x4xf32>
    %50 = linalg.generic {indexing_maps = [#map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%49 : tensor<64x128x4x4xf32>) {
    ^bb0(%out: f32):
      %73 = linalg.index 0 : index
      %74 = linalg.index 1 : index
      %75 = linalg.index 2 : index
      %76 = linalg.index 3 : index
      %77 = arith.subi %c3, %75 : index
      %78 = arith.subi %c3, %76 : index
      %extracted = tensor.extract %arg16[%74, %73, %77, %78] : tensor<128x64x4x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<64x128x4x4xf32>
    %51 = tensor.empty() : tensor<1x128x19x19xf32>
    %52 = linalg.fill ins(%cst : f32) outs(%51 : tensor<1x128x19x19xf32>) -> tensor<1x128x19x19xf32>
    %inserted_slice_14 = tensor.insert_slice %47 into %52[0, 0, 2, 2] [1, 128, 8, 8] [1, 1, 2, 2] : tensor<1x128x8x8xf32> into tensor<1x128x19x19xf32>
    %53 = tensor.empty() : tensor<1x64x16x16xf32>
    %54 = linalg.fill ins(%cst : f32) outs(%53 : tensor<1x64x16x16xf32>) -> tensor<1x64x16x16xf32>
    %55 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%inserted_slice_14, %50 : tensor<1x128x19x19xf32>, tensor<64x128x4x4xf32>) outs(%54 : tensor<1x64x16x16xf32>) -> tensor<1x64x16x16xf32>
    %expanded_15 = tensor.expand_shape %arg19 [[0, 1, 2, 3]] output_shape [1, 64, 1, 1] : tensor<64xf32> into tensor<1x64x1x1xf32>
    %expanded_16 = tensor.expand_shape %arg20 [[0, 1, 2, 3]] output_shape [1, 64, 1, 1] : tensor<64xf32> into tensor<1x64x1x1xf32>
    %56 = tensor.empty() : tensor<1x64x1x1xf32>
    %57 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_16 : tensor<1x64x1x1xf32>) outs(%56 : tensor<1x64x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = arith.addf %in, %cst_0 : f32
      linalg.yield %73 : f32
    } -> tensor<1x64x1x1xf32>
    %58 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%57 : tensor<1x64x1x1xf32>) outs(%56 : tensor<1x64x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = math.rsqrt %in : f32
      linalg.yield %73 : f32
    } -> tensor<1x64x1x1xf32>
    %59 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%55, %expanded_15 : tensor<1x64x16x16xf32>, tensor<1x64x1x1xf32>) outs(%53 : tensor<1x64x16x16xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.subf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x64x16x16xf32>
    %60 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%59, %58 : tensor<1x64x16x16xf32>, tensor<1x64x1x1xf32>) outs(%53 : tensor<1x64x16x16xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.mulf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x64x16x16xf32>
    %expanded_17 = tensor.expand_shape %arg17 [[0, 1, 2, 3]] output_shape [1, 64, 1, 1] : tensor<64xf32> into tensor<1x64x1x1xf32>
    %61 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%60, %expanded_17 : tensor<1x64x16x16xf32>, tensor<1x64x1x1xf32>) outs(%53 : tensor<1x64x16x16xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.mulf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x64x16x16xf32>
    %expanded_18 = tensor.expand_shape %arg18 [[0, 1, 2, 3]] output_shape [1, 64, 1, 1] : tensor<64xf32> into tensor<1x64x1x1xf32>
    %62 = linalg.generic {indexing_maps = [#map, #map1, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%61, %expanded_18 : tensor<1x64x16x16xf32>, tensor<1x64x1x1xf32>) outs(%53 : tensor<1x64x16x16xf32>) {
    ^bb0(%in: f32, %in_20: f32, %out: f32):
      %73 = arith.addf %in, %in_20 : f32
      linalg.yield %73 : f32
    } -> tensor<1x64x16x16xf32>
    %63 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%62 : tensor<1x64x16x16xf32>) outs(%53 : tensor<1x64x16x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = arith.cmpf ugt, %in, %cst : f32
      %74 = arith.select %73, %in, %cst : f32
      linalg.yield %74 : f32
    } -> tensor<1x64x16x16xf32>
    %64 = tensor.empty() : tensor<3x64x4x4xf32>
    %65 = linalg.fill ins(%cst : f32) outs(%64 : tensor<3x64x4x4xf32>) -> tensor<3x64x4x4xf32>
    %66 = linalg.generic {indexing_maps = [#map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%65 : tensor<3x64x4x4xf32>) {
    ^bb0(%out: f32):
      %73 = linalg.index 0 : index
      %74 = linalg.index 1 : index
      %75 = linalg.index 2 : index
      %76 = linalg.index 3 : index
      %77 = arith.subi %c3, %75 : index
      %78 = arith.subi %c3, %76 : index
      %extracted = tensor.extract %arg21[%74, %73, %77, %78] : tensor<64x3x4x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<3x64x4x4xf32>
    %67 = tensor.empty() : tensor<1x64x35x35xf32>
    %68 = linalg.fill ins(%cst : f32) outs(%67 : tensor<1x64x35x35xf32>) -> tensor<1x64x35x35xf32>
    %inserted_slice_19 = tensor.insert_slice %63 into %68[0, 0, 2, 2] [1, 64, 16, 16] [1, 1, 2, 2] : tensor<1x64x16x16xf32> into tensor<1x64x35x35xf32>
    %69 = tensor.empty() : tensor<1x3x32x32xf32>
    %70 = linalg.fill ins(%cst : f32) outs(%69 : tensor<1x3x32x32xf32>) -> tensor<1x3x32x32xf32>
    %71 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%inserted_slice_19, %66 : tensor<1x64x35x35xf32>, tensor<3x64x4x4xf32>) outs(%70 : tensor<1x3x32x32xf32>) -> tensor<1x3x32x32xf32>
    %72 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%71 : tensor<1x3x32x32xf32>) outs(%69 : tensor<1x3x32x32xf32>) {
    ^bb0(%in: f32, %out: f32):
      %73 = math.tanh %in : f32
      linalg.yield %73 : f32
    } -> tensor<1x3x32x32xf32>
    return %72 : tensor<1x3x32x32xf32>
  }
}
