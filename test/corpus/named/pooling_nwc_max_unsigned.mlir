// linalg.pooling_nwc_max_unsigned as frontends emit it. Written by tools/generate_corpus.py.

func.func @bytes(%x: tensor<2x4x4xi8>) -> tensor<2x3x4xi8> {
  %value = arith.constant 0 : i8
  %empty = tensor.empty() : tensor<2x3x4xi8>
  %init = linalg.fill ins(%value : i8) outs(%empty : tensor<2x3x4xi8>) -> tensor<2x3x4xi8>
  %window = tensor.empty() : tensor<2xi8>
  %y = linalg.pooling_nwc_max_unsigned {dilations = dense<1> : tensor<1xi64>, strides = dense<1> : tensor<1xi64>}
      ins(%x, %window : tensor<2x4x4xi8>, tensor<2xi8>) outs(%init : tensor<2x3x4xi8>) -> tensor<2x3x4xi8>
  return %y : tensor<2x3x4xi8>
}

func.func @strided(%x: tensor<2x8x4xi32>) -> tensor<2x3x4xi32> {
  %value = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<2x3x4xi32>
  %init = linalg.fill ins(%value : i32) outs(%empty : tensor<2x3x4xi32>) -> tensor<2x3x4xi32>
  %window = tensor.empty() : tensor<2xi32>
  %y = linalg.pooling_nwc_max_unsigned {dilations = dense<3> : tensor<1xi64>, strides = dense<2> : tensor<1xi64>}
      ins(%x, %window : tensor<2x8x4xi32>, tensor<2xi32>) outs(%init : tensor<2x3x4xi32>) -> tensor<2x3x4xi32>
  return %y : tensor<2x3x4xi32>
}
