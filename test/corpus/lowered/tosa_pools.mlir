// What tosa-to-linalg-named, tosa-to-linalg, tosa-to-arith and tosa-to-tensor make of TOSA
// pools, a product and a sum.
// OPTIMIZED @pools

#map = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map1 = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#map2 = affine_map<(d0, d1, d2) -> (d0, 0, d2)>
module {
  func.func @pools(%arg0: tensor<1x8x8x4xf32>, %arg1: tensor<1x4x6xf32>) -> tensor<1x16x6xf32> {
    %c6 = arith.constant 6 : index
    %cst = arith.constant 1.000000e+00 : f32
    %cst_0 = arith.constant -3.40282347E+38 : f32
    %c0 = arith.constant 0 : index
    %c2 = arith.constant 2 : index
    %c1 = arith.constant 1 : index
    %cst_1 = arith.constant 0.000000e+00 : f32
    %padded = tensor.pad %arg0 low[0, 0, 0, 0] high[0, 1, 1, 0] {
    ^bb0(%arg2: index, %arg3: index, %arg4: index, %arg5: index):
      tensor.yield %cst_1 : f32
    } : tensor<1x8x8x4xf32> to tensor<1x9x9x4xf32>
    %0 = tensor.empty() : tensor<1x8x8x4xf32>
    %1 = linalg.fill ins(%cst_1 : f32) outs(%0 : tensor<1x8x8x4xf32>) -> tensor<1x8x8x4xf32>
    %2 = tensor.empty() : tensor<2x2xf32>
    %3 = linalg.pooling_nhwc_sum {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>} ins(%padded, %2 : tensor<1x9x9x4xf32>, tensor<2x2xf32>) outs(%1 : tensor<1x8x8x4xf32>) -> tensor<1x8x8x4xf32>
    %4 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%3 : tensor<1x8x8x4xf32>) outs(%0 : tensor<1x8x8x4xf32>) {
    ^bb0(%in: f32, %out: f32):
      %15 = linalg.index 1 : index
      %16 = arith.subi %c6, %15 : index
      %17 = arith.minsi %16, %c0 : index
      %18 = arith.addi %17, %c2 : index
      %19 = arith.maxsi %18, %c1 : index
      %20 = linalg.index 2 : index
      %21 = arith.subi %c6, %20 : index
      %22 = arith.minsi %21, %c0 : index
      %23 = arith.addi %22, %c2 : index
      %24 = arith.maxsi %23, %c1 : index
      %25 = arith.muli %19, %24 : index
      %26 = arith.index_cast %25 : index to i32
      %27 = arith.sitofp %26 : i32 to f32
      %28 = arith.divf %in, %27 : f32
      linalg.yield %28 : f32
    } -> tensor<1x8x8x4xf32>
    %5 = tensor.empty() : tensor<1x4x4x4xf32>
    %6 = linalg.fill ins(%cst_0 : f32) outs(%5 : tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
    %7 = linalg.pooling_nhwc_max {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>} ins(%4, %2 : tensor<1x8x8x4xf32>, tensor<2x2xf32>) outs(%6 : tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
    %collapsed = tensor.collapse_shape %7 [[0], [1, 2], [3]] : tensor<1x4x4x4xf32> into tensor<1x16x4xf32>
    %8 = tensor.empty() : tensor<1x16x6xf32>
    %9 = linalg.fill ins(%cst_1 : f32) outs(%8 : tensor<1x16x6xf32>) -> tensor<1x16x6xf32>
    %10 = linalg.batch_matmul ins(%collapsed, %arg1 : tensor<1x16x4xf32>, tensor<1x4x6xf32>) outs(%9 : tensor<1x16x6xf32>) -> tensor<1x16x6xf32>
    %11 = linalg.generic {indexing_maps = [#map1, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%10 : tensor<1x16x6xf32>) outs(%8 : tensor<1x16x6xf32>) {
    ^bb0(%in: f32, %out: f32):
      %15 = arith.negf %in : f32
      %16 = math.exp %15 : f32
      %17 = arith.addf %16, %cst : f32
      %18 = arith.divf %cst, %17 : f32
      linalg.yield %18 : f32
    } -> tensor<1x16x6xf32>
    %12 = tensor.empty() : tensor<1x6xf32>
    %13 = linalg.fill ins(%cst_1 : f32) outs(%12 : tensor<1x6xf32>) -> tensor<1x6xf32>
    %reduced = linalg.reduce ins(%11 : tensor<1x16x6xf32>) outs(%13 : tensor<1x6xf32>) dimensions = [1] 
      (%in: f32, %init: f32) {
        %15 = arith.addf %in, %init : f32
        linalg.yield %15 : f32
      }
    %expanded = tensor.expand_shape %reduced [[0], [1, 2]] output_shape [1, 1, 6] : tensor<1x6xf32> into tensor<1x1x6xf32>
    %14 = linalg.generic {indexing_maps = [#map1, #map2, #map1], iterator_types = ["parallel", "parallel", "parallel"]} ins(%11, %expanded : tensor<1x16x6xf32>, tensor<1x1x6xf32>) outs(%8 : tensor<1x16x6xf32>) {
    ^bb0(%in: f32, %in_2: f32, %out: f32):
      %15 = arith.addf %in, %in_2 : f32
      linalg.yield %15 : f32
    } -> tensor<1x16x6xf32>
    return %14 : tensor<1x16x6xf32>
  }
}

