// What tosa-to-linalg-named, tosa-to-linalg, tosa-to-arith and tosa-to-tensor make of TOSA
// convolutions. The transposed one was decomposed by tosa-optional-decompositions.
// OPTIMIZED @convolution @depthwise @transposed

#map = affine_map<(d0, d1, d2, d3) -> (d3)>
#map1 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map2 = affine_map<(d0, d1, d2, d3) -> (d0, 0, 0, d3)>
module {
  func.func @convolution(%arg0: tensor<1x9x9x4xf32>, %arg1: tensor<6x3x3x4xf32>, %arg2: tensor<6xf32>) -> tensor<1x5x5x6xf32> {
    %cst = arith.constant 6.000000e+00 : f32
    %cst_0 = arith.constant 0.000000e+00 : f32
    %padded = tensor.pad %arg0 low[0, 1, 1, 0] high[0, 1, 1, 0] {
    ^bb0(%arg3: index, %arg4: index, %arg5: index, %arg6: index):
      tensor.yield %cst_0 : f32
    } : tensor<1x9x9x4xf32> to tensor<1x11x11x4xf32>
    %0 = tensor.empty() : tensor<1x5x5x6xf32>
    %1 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%arg2 : tensor<6xf32>) outs(%0 : tensor<1x5x5x6xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<1x5x5x6xf32>
    %2 = linalg.conv_2d_nhwc_fhwc {dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>} ins(%padded, %arg1 : tensor<1x11x11x4xf32>, tensor<6x3x3x4xf32>) outs(%1 : tensor<1x5x5x6xf32>) -> tensor<1x5x5x6xf32>
    %3 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%2 : tensor<1x5x5x6xf32>) outs(%0 : tensor<1x5x5x6xf32>) {
    ^bb0(%in: f32, %out: f32):
      %4 = arith.minimumf %in, %cst : f32
      %5 = arith.maximumf %4, %cst_0 : f32
      linalg.yield %5 : f32
    } -> tensor<1x5x5x6xf32>
    return %3 : tensor<1x5x5x6xf32>
  }
  func.func @depthwise(%arg0: tensor<1x7x7x4xf32>, %arg1: tensor<3x3x4x2xf32>, %arg2: tensor<8xf32>) -> tensor<1x7x7x8xf32> {
    %cst = arith.constant 0.000000e+00 : f32
    %padded = tensor.pad %arg0 low[0, 1, 1, 0] high[0, 1, 1, 0] {
    ^bb0(%arg3: index, %arg4: index, %arg5: index, %arg6: index):
      tensor.yield %cst : f32
    } : tensor<1x7x7x4xf32> to tensor<1x9x9x4xf32>
    %0 = tensor.empty() : tensor<1x7x7x4x2xf32>
    %1 = linalg.fill ins(%cst : f32) outs(%0 : tensor<1x7x7x4x2xf32>) -> tensor<1x7x7x4x2xf32>
    %2 = tensor.empty() : tensor<1x7x7x8xf32>
    %3 = linalg.depthwise_conv_2d_nhwc_hwcm {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>} ins(%padded, %arg1 : tensor<1x9x9x4xf32>, tensor<3x3x4x2xf32>) outs(%1 : tensor<1x7x7x4x2xf32>) -> tensor<1x7x7x4x2xf32>
    %collapsed = tensor.collapse_shape %3 [[0], [1], [2], [3, 4]] : tensor<1x7x7x4x2xf32> into tensor<1x7x7x8xf32>
    %4 = linalg.generic {indexing_maps = [#map, #map1, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%arg2, %collapsed : tensor<8xf32>, tensor<1x7x7x8xf32>) outs(%2 : tensor<1x7x7x8xf32>) {
    ^bb0(%in: f32, %in_0: f32, %out: f32):
      %5 = arith.addf %in, %in_0 : f32
      linalg.yield %5 : f32
    } -> tensor<1x7x7x8xf32>
    return %4 : tensor<1x7x7x8xf32>
  }
  func.func @transposed(%arg0: tensor<1x5x5x4xf32>, %arg1: tensor<6x3x3x4xf32>, %arg2: tensor<6xf32>) -> tensor<1x11x11x6xf32> {
    %cst = arith.constant dense<0.000000e+00> : tensor<24xf32>
    %c0 = arith.constant 0 : index
    %cst_0 = arith.constant 0.000000e+00 : f32
    %c1 = arith.constant 1 : index
    %padded = tensor.pad %arg1 low[%c0, %c0, %c0, %c0] high[%c0, %c1, %c1, %c0] {
    ^bb0(%arg3: index, %arg4: index, %arg5: index, %arg6: index):
      tensor.yield %cst_0 : f32
    } : tensor<6x3x3x4xf32> to tensor<6x4x4x4xf32>
    %expanded = tensor.expand_shape %padded [[0], [1, 2], [3, 4], [5]] output_shape [6, 2, 2, 2, 2, 4] : tensor<6x4x4x4xf32> into tensor<6x2x2x2x2x4xf32>
    %0 = tensor.empty() : tensor<2x2x6x2x2x4xf32>
    %transposed = linalg.transpose ins(%expanded : tensor<6x2x2x2x2x4xf32>) outs(%0 : tensor<2x2x6x2x2x4xf32>) permutation = [2, 4, 0, 1, 3, 5] 
    %collapsed = tensor.collapse_shape %transposed [[0, 1, 2], [3], [4], [5]] : tensor<2x2x6x2x2x4xf32> into tensor<24x2x2x4xf32>
    %1 = tensor.empty() : tensor<24x2x2x4xf32>
    %2 = linalg.generic {indexing_maps = [#map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%1 : tensor<24x2x2x4xf32>) {
    ^bb0(%out: f32):
      %10 = linalg.index 0 : index
      %11 = linalg.index 1 : index
      %12 = arith.subi %c1, %11 : index
      %13 = linalg.index 2 : index
      %14 = linalg.index 3 : index
      %extracted = tensor.extract %collapsed[%10, %12, %13, %14] : tensor<24x2x2x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<24x2x2x4xf32>
    %3 = linalg.generic {indexing_maps = [#map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} outs(%1 : tensor<24x2x2x4xf32>) {
    ^bb0(%out: f32):
      %10 = linalg.index 0 : index
      %11 = linalg.index 1 : index
      %12 = linalg.index 2 : index
      %13 = arith.subi %c1, %12 : index
      %14 = linalg.index 3 : index
      %extracted = tensor.extract %2[%10, %11, %13, %14] : tensor<24x2x2x4xf32>
      linalg.yield %extracted : f32
    } -> tensor<24x2x2x4xf32>
    %padded_1 = tensor.pad %arg0 low[%c0, %c1, %c1, %c0] high[%c0, %c1, %c1, %c0] {
    ^bb0(%arg3: index, %arg4: index, %arg5: index, %arg6: index):
      tensor.yield %cst_0 : f32
    } : tensor<1x5x5x4xf32> to tensor<1x7x7x4xf32>
    %4 = tensor.empty() : tensor<1x6x6x24xf32>
    %5 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%cst : tensor<24xf32>) outs(%4 : tensor<1x6x6x24xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<1x6x6x24xf32>
    %6 = linalg.conv_2d_nhwc_fhwc {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>} ins(%padded_1, %3 : tensor<1x7x7x4xf32>, tensor<24x2x2x4xf32>) outs(%5 : tensor<1x6x6x24xf32>) -> tensor<1x6x6x24xf32>
    %expanded_2 = tensor.expand_shape %6 [[0], [1], [2], [3, 4, 5]] output_shape [1, 6, 6, 2, 2, 6] : tensor<1x6x6x24xf32> into tensor<1x6x6x2x2x6xf32>
    %7 = tensor.empty() : tensor<1x6x2x6x2x6xf32>
    %transposed_3 = linalg.transpose ins(%expanded_2 : tensor<1x6x6x2x2x6xf32>) outs(%7 : tensor<1x6x2x6x2x6xf32>) permutation = [0, 1, 3, 2, 4, 5] 
    %collapsed_4 = tensor.collapse_shape %transposed_3 [[0], [1, 2], [3, 4], [5]] : tensor<1x6x2x6x2x6xf32> into tensor<1x12x12x6xf32>
    %extracted_slice = tensor.extract_slice %collapsed_4[0, 0, 0, 0] [1, 11, 11, 6] [1, 1, 1, 1] : tensor<1x12x12x6xf32> to tensor<1x11x11x6xf32>
    %expanded_5 = tensor.expand_shape %arg2 [[0, 1, 2, 3]] output_shape [1, 1, 1, 6] : tensor<6xf32> into tensor<1x1x1x6xf32>
    %8 = tensor.empty() : tensor<1x11x11x6xf32>
    %9 = linalg.generic {indexing_maps = [#map1, #map2, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%extracted_slice, %expanded_5 : tensor<1x11x11x6xf32>, tensor<1x1x1x6xf32>) outs(%8 : tensor<1x11x11x6xf32>) {
    ^bb0(%in: f32, %in_6: f32, %out: f32):
      %10 = arith.addf %in, %in_6 : f32
      linalg.yield %10 : f32
    } -> tensor<1x11x11x6xf32>
    return %9 : tensor<1x11x11x6xf32>
  }
  func.func @quantized(%arg0: tensor<1x7x7x4xi8>, %arg1: tensor<6x3x3x4xi8>, %arg2: tensor<6xi32>) -> tensor<1x5x5x6xi32> {
    %c0_i32 = arith.constant 0 : i32
    %c3_i32 = arith.constant 3 : i32
    %0 = tensor.empty() : tensor<1x5x5x6xi32>
    %1 = linalg.generic {indexing_maps = [#map, #map1], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%arg2 : tensor<6xi32>) outs(%0 : tensor<1x5x5x6xi32>) {
    ^bb0(%in: i32, %out: i32):
      linalg.yield %in : i32
    } -> tensor<1x5x5x6xi32>
    %2 = linalg.conv_2d_nhwc_fhwc_q {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>} ins(%arg0, %arg1, %c3_i32, %c0_i32 : tensor<1x7x7x4xi8>, tensor<6x3x3x4xi8>, i32, i32) outs(%1 : tensor<1x5x5x6xi32>) -> tensor<1x5x5x6xi32>
    return %2 : tensor<1x5x5x6xi32>
  }
}

