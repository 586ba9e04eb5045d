// linalg.conv_2d_nhwgc_gfhwc as frontends emit it. Written by tools/generate_corpus.py.
// OPTIMIZED @plain @strided

func.func @plain(%x: tensor<2x6x4x2x4xf32>, %w: tensor<2x6x3x2x4xf32>) -> tensor<2x4x3x2x6xf32> {
  %value = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<2x4x3x2x6xf32>
  %init = linalg.fill ins(%value : f32) outs(%empty : tensor<2x4x3x2x6xf32>) -> tensor<2x4x3x2x6xf32>
  %y = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%x, %w : tensor<2x6x4x2x4xf32>, tensor<2x6x3x2x4xf32>)
      outs(%init : tensor<2x4x3x2x6xf32>) -> tensor<2x4x3x2x6xf32>
  return %y : tensor<2x4x3x2x6xf32>
}

func.func @strided(%x: tensor<2x13x8x2x4xf32>, %w: tensor<2x6x3x2x4xf32>, %init: tensor<2x4x3x2x6xf32>) -> tensor<2x4x3x2x6xf32> {
  %y = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<3> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
      ins(%x, %w : tensor<2x13x8x2x4xf32>, tensor<2x6x3x2x4xf32>)
      outs(%init : tensor<2x4x3x2x6xf32>) -> tensor<2x4x3x2x6xf32>
  return %y : tensor<2x4x3x2x6xf32>
}

func.func @bytes(%x: tensor<2x6x4x2x4xi8>, %w: tensor<2x6x3x2x4xi8>) -> tensor<2x4x3x2x6xi32> {
  %value = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<2x4x3x2x6xi32>
  %init = linalg.fill ins(%value : i32) outs(%empty : tensor<2x4x3x2x6xi32>) -> tensor<2x4x3x2x6xi32>
  %y = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%x, %w : tensor<2x6x4x2x4xi8>, tensor<2x6x3x2x4xi8>)
      outs(%init : tensor<2x4x3x2x6xi32>) -> tensor<2x4x3x2x6xi32>
  return %y : tensor<2x4x3x2x6xi32>
}

func.func @widened(%x: tensor<2x13x8x2x4xf16>, %w: tensor<2x6x3x2x4xf16>) -> tensor<2x4x3x2x6xf32> {
  %value = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<2x4x3x2x6xf32>
  %init = linalg.fill ins(%value : f32) outs(%empty : tensor<2x4x3x2x6xf32>) -> tensor<2x4x3x2x6xf32>
  %y = linalg.conv_2d_nhwgc_gfhwc {dilations = dense<3> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
      ins(%x, %w : tensor<2x13x8x2x4xf16>, tensor<2x6x3x2x4xf16>)
      outs(%init : tensor<2x4x3x2x6xf32>) -> tensor<2x4x3x2x6xf32>
  return %y : tensor<2x4x3x2x6xf32>
}
