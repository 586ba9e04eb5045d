// linalg.conv_2d_nhwc_fhwc_q as frontends emit it. Written by tools/generate_corpus.py.

func.func @quantized(%x: tensor<2x6x4x4xi8>, %w: tensor<6x3x2x4xi8>) -> tensor<2x4x3x6xi32> {
  %value = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<2x4x3x6xi32>
  %init = linalg.fill ins(%value : i32) outs(%empty : tensor<2x4x3x6xi32>) -> tensor<2x4x3x6xi32>
  %zx = arith.constant 3 : i32
  %zw = arith.constant -5 : i32
  %y = linalg.conv_2d_nhwc_fhwc_q {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%x, %w, %zx, %zw : tensor<2x6x4x4xi8>, tensor<6x3x2x4xi8>, i32, i32)
      outs(%init : tensor<2x4x3x6xi32>) -> tensor<2x4x3x6xi32>
  return %y : tensor<2x4x3x6xi32>
}

func.func @accumulated(%x: tensor<2x13x8x4xi8>, %w: tensor<6x3x2x4xi8>, %init: tensor<2x4x3x6xi32>) -> tensor<2x4x3x6xi32> {
  %zx = arith.constant 3 : i32
  %zw = arith.constant -5 : i32
  %y = linalg.conv_2d_nhwc_fhwc_q {dilations = dense<3> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
      ins(%x, %w, %zx, %zw : tensor<2x13x8x4xi8>, tensor<6x3x2x4xi8>, i32, i32)
      outs(%init : tensor<2x4x3x6xi32>) -> tensor<2x4x3x6xi32>
  return %y : tensor<2x4x3x6xi32>
}
