// one_and_three_axes: what torch-mlir makes of it. Written by tools/import_corpus.py.
// OPTIMIZED @main

module {
  func.func @main(%arg0: tensor<2x4x20xf32> {einnet.name = "x"}, %arg1: tensor<1x2x5x6x7xf32> {einnet.name = "z"}, %arg2: tensor<6x4x5xf32> {einnet.weight = "w"}, %arg3: tensor<3x2x2x3x2xf32> {einnet.weight = "v"}) -> (tensor<2x6x10xf32> {einnet.name = "y"}, tensor<1x3x5x6x7xf32> {einnet.name = "u"}) {
    %cst = arith.constant 0.000000e+00 : f32
    %padded = tensor.pad %arg0 low[0, 0, 2] high[0, 0, 2] {
    ^bb0(%arg4: index, %arg5: index, %arg6: index):
      tensor.yield %cst : f32
    } : tensor<2x4x20xf32> to tensor<2x4x24xf32>
    %0 = tensor.empty() : tensor<2x6x10xf32>
    %1 = linalg.fill ins(%cst : f32) outs(%0 : tensor<2x6x10xf32>) -> tensor<2x6x10xf32>
    %2 = linalg.conv_1d_ncw_fcw {dilations = dense<1> : vector<1xi64>, strides = dense<2> : vector<1xi64>} ins(%padded, %arg2 : tensor<2x4x24xf32>, tensor<6x4x5xf32>) outs(%1 : tensor<2x6x10xf32>) -> tensor<2x6x10xf32>
    %padded_0 = tensor.pad %arg1 low[0, 0, 0, 1, 0] high[0, 0, 1, 1, 1] {
    ^bb0(%arg4: index, %arg5: index, %arg6: index, %arg7: index, %arg8: index):
      tensor.yield %cst : f32
    } : tensor<1x2x5x6x7xf32> to tensor<1x2x6x8x8xf32>
    %3 = tensor.empty() : tensor<1x3x5x6x7xf32>
    %4 = linalg.fill ins(%cst : f32) outs(%3 : tensor<1x3x5x6x7xf32>) -> tensor<1x3x5x6x7xf32>
    %5 = linalg.conv_3d_ncdhw_fcdhw {dilations = dense<1> : vector<3xi64>, strides = dense<1> : vector<3xi64>} ins(%padded_0, %arg3 : tensor<1x2x6x8x8xf32>, tensor<3x2x2x3x2xf32>) outs(%4 : tensor<1x3x5x6x7xf32>) -> tensor<1x3x5x6x7xf32>
    return %2, %5 : tensor<2x6x10xf32>, tensor<1x3x5x6x7xf32>
  }
}
