// linalg.conv_2d_ngchw_gfchw as frontends emit it. Written by tools/generate_corpus.py.
// OPTIMIZED @plain @strided

func.func @plain(%x: tensor<2x2x4x6x4xf32>, %w: tensor<2x6x4x3x2xf32>) -> tensor<2x2x6x4x3xf32> {
  %value = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<2x2x6x4x3xf32>
  %init = linalg.fill ins(%value : f32) outs(%empty : tensor<2x2x6x4x3xf32>) -> tensor<2x2x6x4x3xf32>
  %y = linalg.conv_2d_ngchw_gfchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%x, %w : tensor<2x2x4x6x4xf32>, tensor<2x6x4x3x2xf32>)
      outs(%init : tensor<2x2x6x4x3xf32>) -> tensor<2x2x6x4x3xf32>
  return %y : tensor<2x2x6x4x3xf32>
}

func.func @strided(%x: tensor<2x2x4x13x8xf32>, %w: tensor<2x6x4x3x2xf32>, %init: tensor<2x2x6x4x3xf32>) -> tensor<2x2x6x4x3xf32> {
  %y = linalg.conv_2d_ngchw_gfchw {dilations = dense<3> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
      ins(%x, %w : tensor<2x2x4x13x8xf32>, tensor<2x6x4x3x2xf32>)
      outs(%init : tensor<2x2x6x4x3xf32>) -> tensor<2x2x6x4x3xf32>
  return %y : tensor<2x2x6x4x3xf32>
}

func.func @bytes(%x: tensor<2x2x4x6x4xi8>, %w: tensor<2x6x4x3x2xi8>) -> tensor<2x2x6x4x3xi32> {
  %value = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<2x2x6x4x3xi32>
  %init = linalg.fill ins(%value : i32) outs(%empty : tensor<2x2x6x4x3xi32>) -> tensor<2x2x6x4x3xi32>
  %y = linalg.conv_2d_ngchw_gfchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%x, %w : tensor<2x2x4x6x4xi8>, tensor<2x6x4x3x2xi8>)
      outs(%init : tensor<2x2x6x4x3xi32>) -> tensor<2x2x6x4x3xi32>
  return %y : tensor<2x2x6x4x3xi32>
}

func.func @widened(%x: tensor<2x2x4x13x8xf16>, %w: tensor<2x6x4x3x2xf16>) -> tensor<2x2x6x4x3xf32> {
  %value = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<2x2x6x4x3xf32>
  %init = linalg.fill ins(%value : f32) outs(%empty : tensor<2x2x6x4x3xf32>) -> tensor<2x2x6x4x3xf32>
  %y = linalg.conv_2d_ngchw_gfchw {dilations = dense<3> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
      ins(%x, %w : tensor<2x2x4x13x8xf16>, tensor<2x6x4x3x2xf16>)
      outs(%init : tensor<2x2x6x4x3xf32>) -> tensor<2x2x6x4x3xf32>
  return %y : tensor<2x2x6x4x3xf32>
}
