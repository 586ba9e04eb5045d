// linalg.conv_2d as frontends emit it. Written by tools/generate_corpus.py.
// OPTIMIZED @plain @strided

func.func @plain(%x: tensor<6x4xf32>, %w: tensor<3x2xf32>) -> tensor<4x3xf32> {
  %value = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<4x3xf32>
  %init = linalg.fill ins(%value : f32) outs(%empty : tensor<4x3xf32>) -> tensor<4x3xf32>
  %y = linalg.conv_2d
      ins(%x, %w : tensor<6x4xf32>, tensor<3x2xf32>)
      outs(%init : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}

func.func @strided(%x: tensor<13x8xf32>, %w: tensor<3x2xf32>, %init: tensor<4x3xf32>) -> tensor<4x3xf32> {
  %y = linalg.conv_2d
      ins(%x, %w : tensor<13x8xf32>, tensor<3x2xf32>)
      outs(%init : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}

func.func @bytes(%x: tensor<6x4xi8>, %w: tensor<3x2xi8>) -> tensor<4x3xi32> {
  %value = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<4x3xi32>
  %init = linalg.fill ins(%value : i32) outs(%empty : tensor<4x3xi32>) -> tensor<4x3xi32>
  %y = linalg.conv_2d
      ins(%x, %w : tensor<6x4xi8>, tensor<3x2xi8>)
      outs(%init : tensor<4x3xi32>) -> tensor<4x3xi32>
  return %y : tensor<4x3xi32>
}

func.func @widened(%x: tensor<13x8xf16>, %w: tensor<3x2xf16>) -> tensor<4x3xf32> {
  %value = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<4x3xf32>
  %init = linalg.fill ins(%value : f32) outs(%empty : tensor<4x3xf32>) -> tensor<4x3xf32>
  %y = linalg.conv_2d
      ins(%x, %w : tensor<13x8xf16>, tensor<3x2xf16>)
      outs(%init : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}
