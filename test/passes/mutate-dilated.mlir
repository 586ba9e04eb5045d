// RUN: einnet-opt %s --einnet-mutate="label=conv depth=4 correct \
// RUN:   mutation=split-residues(dimension=2),split-residues(dimension=4),merge-borders(outer=2,inner=3,gap=0),merge-borders(outer=3,inner=4,gap=0)" -o %t.dense.mlir
// RUN: FileCheck %s --check-prefix=DENSE --input-file=%t.dense.mlir
// RUN: einnet verify %s %t.dense.mlir | FileCheck %s --check-prefix=EQUAL

// RUN: einnet-opt %s --einnet-mutate="label=conv depth=2 \
// RUN:   mutation=split-residues(dimension=2),split-residues(dimension=4)" -o %t.batch.mlir
// RUN: FileCheck %s --check-prefix=BATCH --input-file=%t.batch.mlir
// RUN: einnet verify %s %t.batch.mlir | FileCheck %s --check-prefix=EQUAL

// EQUAL: equal: 1 output compared

// A dilated convolution as a dense one over an image whose rows and columns are sorted by their
// residues: where residues meet, strided boxes are computed again.

// DENSE: linalg.conv_2d_nhwc_hwcf {dilations = dense<1>{{.*}} -> tensor<1x8x8x4xf32>
// DENSE: %[[M:.*]] = linalg.generic {{.*}}einnet.label = "conv.mutant"
// DENSE: linalg.conv_2d_nchw_fchw {dilations = dense<2>{{.*}}einnet.correction
// DENSE: linalg.conv_2d_nchw_fchw {dilations = dense<2>{{.*}}einnet.correction
// DENSE: %[[ONE:.*]] = tensor.insert_slice %{{.*}} into %[[M]]
// DENSE-SAME: [0, 0, {{0, 1|1, 0}}] [1, 4, {{8, 2|2, 8}}] [1, 1, {{1, 5|5, 1}}]
// DENSE: tensor.insert_slice %{{.*}} into %[[ONE]]

// As a batch of residues it is equal everywhere.

// BATCH: linalg.conv_2d_nhwc_hwcf {dilations = dense<1>
// BATCH-NOT: einnet.correction
// BATCH: einnet.label = "conv"
func.func @main(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<1x4x8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 0, 2, 2] high[0, 0, 2, 2] {
  ^bb0(%n: index, %c: index, %i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<1x3x8x8xf32> to tensor<1x3x12x12xf32>
  %init = arith.constant dense<0.0> : tensor<1x4x8x8xf32>
  %y = linalg.conv_2d_nchw_fchw {einnet.label = "conv", dilations = dense<2> : tensor<2xi64>}
      ins(%padded, %w : tensor<1x3x12x12xf32>, tensor<4x3x3x3xf32>)
      outs(%init : tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  return %y : tensor<1x4x8x8xf32>
}
