// Winograd's transforms as operations of linalg, around a batched product. Typed by hand.
// OPTIMIZED @winograd
func.func @winograd(%x: tensor<1x6x6x4xf32>, %w: tensor<5x3x3x4xf32>, %init: tensor<1x4x4x5xf32>) -> tensor<1x4x4x5xf32> {
  %zero = arith.constant 0.0 : f32
  %ef = tensor.empty() : tensor<6x6x4x5xf32>
  %f = linalg.winograd_filter_transform fmr(F_4_3) ins(%w : tensor<5x3x3x4xf32>) outs(%ef : tensor<6x6x4x5xf32>) -> tensor<6x6x4x5xf32>
  %ei = tensor.empty() : tensor<6x6x1x1x1x4xf32>
  %i = linalg.winograd_input_transform fmr(F_4_3) ins(%x : tensor<1x6x6x4xf32>) outs(%ei : tensor<6x6x1x1x1x4xf32>) -> tensor<6x6x1x1x1x4xf32>
  %cf = tensor.collapse_shape %f [[0, 1], [2], [3]] : tensor<6x6x4x5xf32> into tensor<36x4x5xf32>
  %ci = tensor.collapse_shape %i [[0, 1], [2, 3, 4], [5]] : tensor<6x6x1x1x1x4xf32> into tensor<36x1x4xf32>
  %em = tensor.empty() : tensor<36x1x5xf32>
  %fm = linalg.fill ins(%zero : f32) outs(%em : tensor<36x1x5xf32>) -> tensor<36x1x5xf32>
  %m = linalg.batch_matmul ins(%ci, %cf : tensor<36x1x4xf32>, tensor<36x4x5xf32>) outs(%fm : tensor<36x1x5xf32>) -> tensor<36x1x5xf32>
  %xm = tensor.expand_shape %m [[0, 1], [2, 3, 4], [5]] output_shape [6, 6, 1, 1, 1, 5] : tensor<36x1x5xf32> into tensor<6x6x1x1x1x5xf32>
  %y = linalg.winograd_output_transform fmr(F_4_3) ins(%xm : tensor<6x6x1x1x1x5xf32>) outs(%init : tensor<1x4x4x5xf32>) -> tensor<1x4x4x5xf32>
  return %y : tensor<1x4x4x5xf32>
}
