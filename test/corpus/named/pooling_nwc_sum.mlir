// linalg.pooling_nwc_sum as frontends emit it. Written by tools/generate_corpus.py.
// OPTIMIZED @plain @strided

func.func @plain(%x: tensor<2x4x4xf32>) -> tensor<2x3x4xf32> {
  %value = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<2x3x4xf32>
  %init = linalg.fill ins(%value : f32) outs(%empty : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %window = tensor.empty() : tensor<2xf32>
  %y = linalg.pooling_nwc_sum {dilations = dense<1> : tensor<1xi64>, strides = dense<1> : tensor<1xi64>}
      ins(%x, %window : tensor<2x4x4xf32>, tensor<2xf32>) outs(%init : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %y : tensor<2x3x4xf32>
}

func.func @integers(%x: tensor<2x4x4xi32>) -> tensor<2x3x4xi32> {
  %value = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<2x3x4xi32>
  %init = linalg.fill ins(%value : i32) outs(%empty : tensor<2x3x4xi32>) -> tensor<2x3x4xi32>
  %window = tensor.empty() : tensor<2xi32>
  %y = linalg.pooling_nwc_sum {dilations = dense<1> : tensor<1xi64>, strides = dense<1> : tensor<1xi64>}
      ins(%x, %window : tensor<2x4x4xi32>, tensor<2xi32>) outs(%init : tensor<2x3x4xi32>) -> tensor<2x3x4xi32>
  return %y : tensor<2x3x4xi32>
}

func.func @strided(%x: tensor<2x8x4xf32>) -> tensor<2x3x4xf32> {
  %value = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<2x3x4xf32>
  %init = linalg.fill ins(%value : f32) outs(%empty : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %window = tensor.empty() : tensor<2xf32>
  %y = linalg.pooling_nwc_sum {dilations = dense<3> : tensor<1xi64>, strides = dense<2> : tensor<1xi64>}
      ins(%x, %window : tensor<2x8x4xf32>, tensor<2xf32>) outs(%init : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %y : tensor<2x3x4xf32>
}
