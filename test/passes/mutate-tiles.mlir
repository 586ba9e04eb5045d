// RUN: einnet-opt %s --einnet-mutate="label=conv depth=2 correct \
// RUN:   mutation=split-carry(tile=8,halo=0,dimension=2),split-carry(tile=8,halo=0,dimension=4)" -o %t.apart.mlir
// RUN: FileCheck %s --check-prefix=APART --input-file=%t.apart.mlir
// RUN: einnet verify %s %t.apart.mlir | FileCheck %s --check-prefix=EQUAL

// RUN: einnet-opt %s --einnet-mutate="label=conv depth=2 correct share \
// RUN:   mutation=split-carry(tile=8,halo=0,dimension=2),split-carry(tile=8,halo=0,dimension=4)" -o %t.shared.mlir
// RUN: FileCheck %s --check-prefix=SHARED --input-file=%t.shared.mlir
// RUN: einnet verify %s %t.shared.mlir | FileCheck %s --check-prefix=EQUAL

// RUN: einnet-opt %s --einnet-mutate="label=conv depth=2 correct \
// RUN:   mutation=split-carry(tile=8,halo=1,dimension=2),split-carry(tile=8,halo=1,dimension=4)" -o %t.halo.mlir
// RUN: FileCheck %s --check-prefix=HALO --input-file=%t.halo.mlir
// RUN: einnet verify %s %t.halo.mlir | FileCheck %s --check-prefix=EQUAL

// EQUAL: equal: 1 output compared

// Four tiles in the batch. Without a halo two rows and two columns on each side of their borders
// are computed again, in strips.

// APART: linalg.conv_2d_nhwc_hwcf {{.*}} -> tensor<4x8x8x4xf64>
// APART: %[[M:.*]] = linalg.generic {{.*}}einnet.label = "conv.mutant"
// APART: tensor.extract_slice %{{.*}} [1, 3, 8, 16] [1, 1, 1, 1] {einnet.correction}
// APART: linalg.conv_2d_nchw_fchw {{.*}}einnet.correction{{.*}} -> tensor<1x4x4x16xf64>
// APART: tensor.extract_slice %{{.*}} [1, 3, 16, 8] [1, 1, 1, 1] {einnet.correction}
// APART: linalg.conv_2d_nchw_fchw {{.*}}einnet.correction{{.*}} -> tensor<1x4x16x4xf64>
// APART: %[[ONE:.*]] = tensor.insert_slice %{{.*}} into %[[M]]
// APART: tensor.insert_slice %{{.*}} into %[[ONE]]
// APART-SAME: einnet.label = "conv"

// The strips as further tiles of the one operator.

// SHARED-COUNT-1: linalg.conv_2d_nhwc_hwcf
// SHARED-NOT: linalg.conv
// SHARED: %[[M:.*]] = linalg.generic {{.*}}einnet.label = "conv"
// SHARED: tensor.extract_slice {{.*}} {einnet.correction}
// SHARED: tensor.insert_slice %{{.*}} into %[[M]]
// SHARED: %[[LAST:.*]] = tensor.insert_slice {{.*}}einnet.correction, einnet.label = "conv"
// SHARED: return %[[LAST]]

// With a halo the tiles are read with what is around them, and nothing is wrong.

// HALO: linalg.conv_2d_nhwc_hwcf {{.*}} ins(%{{.*}}, %{{.*}} : tensor<4x12x12x3xf64>, {{.*}} -> tensor<4x8x8x4xf64>
// HALO-NOT: einnet.correction
// HALO: einnet.label = "conv"
func.func @main(%x: tensor<1x3x16x16xf64>, %w: tensor<4x3x5x5xf64>) -> tensor<1x4x16x16xf64> {
  %zero = arith.constant 0.0 : f64
  %padded = tensor.pad %x low[0, 0, 2, 2] high[0, 0, 2, 2] {
  ^bb0(%n: index, %c: index, %i: index, %j: index):
    tensor.yield %zero : f64
  } : tensor<1x3x16x16xf64> to tensor<1x3x20x20xf64>
  %init = arith.constant dense<0.0> : tensor<1x4x16x16xf64>
  %y = linalg.conv_2d_nchw_fchw {einnet.label = "conv"}
      ins(%padded, %w : tensor<1x3x20x20xf64>, tensor<4x3x5x5xf64>)
      outs(%init : tensor<1x4x16x16xf64>) -> tensor<1x4x16x16xf64>
  return %y : tensor<1x4x16x16xf64>
}
