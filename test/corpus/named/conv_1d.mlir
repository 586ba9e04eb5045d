// linalg.conv_1d as frontends emit it. Written by tools/generate_corpus.py.
// OPTIMIZED @plain @strided

func.func @plain(%x: tensor<4xf32>, %w: tensor<2xf32>) -> tensor<3xf32> {
  %value = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<3xf32>
  %init = linalg.fill ins(%value : f32) outs(%empty : tensor<3xf32>) -> tensor<3xf32>
  %y = linalg.conv_1d
      ins(%x, %w : tensor<4xf32>, tensor<2xf32>)
      outs(%init : tensor<3xf32>) -> tensor<3xf32>
  return %y : tensor<3xf32>
}

func.func @strided(%x: tensor<8xf32>, %w: tensor<2xf32>, %init: tensor<3xf32>) -> tensor<3xf32> {
  %y = linalg.conv_1d
      ins(%x, %w : tensor<8xf32>, tensor<2xf32>)
      outs(%init : tensor<3xf32>) -> tensor<3xf32>
  return %y : tensor<3xf32>
}

func.func @bytes(%x: tensor<4xi8>, %w: tensor<2xi8>) -> tensor<3xi32> {
  %value = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<3xi32>
  %init = linalg.fill ins(%value : i32) outs(%empty : tensor<3xi32>) -> tensor<3xi32>
  %y = linalg.conv_1d
      ins(%x, %w : tensor<4xi8>, tensor<2xi8>)
      outs(%init : tensor<3xi32>) -> tensor<3xi32>
  return %y : tensor<3xi32>
}

func.func @widened(%x: tensor<8xf16>, %w: tensor<2xf16>) -> tensor<3xf32> {
  %value = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<3xf32>
  %init = linalg.fill ins(%value : f32) outs(%empty : tensor<3xf32>) -> tensor<3xf32>
  %y = linalg.conv_1d
      ins(%x, %w : tensor<8xf16>, tensor<2xf16>)
      outs(%init : tensor<3xf32>) -> tensor<3xf32>
  return %y : tensor<3xf32>
}
