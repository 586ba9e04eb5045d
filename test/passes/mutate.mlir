// RUN: einnet-opt %s --einnet-mutate="label=conv mutation=merge-borders(gap=0) depth=1" -o %t.mutant.mlir
// RUN: FileCheck %s --check-prefix=MUTANT --input-file=%t.mutant.mlir
// RUN: not einnet verify %s %t.mutant.mlir | FileCheck %s --check-prefix=DIFFER
// RUN: not mlir-opt %t.mutant.mlir --one-shot-bufferize 2>&1 | FileCheck %s --check-prefix=STUCK

// RUN: mlir-opt %t.mutant.mlir --canonicalize --cse --symbol-dce --inline -o %t.later.mlir
// RUN: einnet-opt %t.later.mlir --einnet-correct=merge=false -o %t.corrected.mlir
// RUN: FileCheck %s --check-prefix=CORRECTED --input-file=%t.corrected.mlir
// RUN: einnet verify %s %t.corrected.mlir | FileCheck %s --check-prefix=EQUAL

// RUN: einnet-opt %s --einnet-mutate="label=conv mutation=merge-borders(gap=1) depth=1 correct" -o %t.gap.mlir
// RUN: FileCheck %s --check-prefix=GAP --input-file=%t.gap.mlir
// RUN: einnet verify %s %t.gap.mlir | FileCheck %s --check-prefix=EQUAL

// Two images side by side in one convolution: the rows at the seam are wrong, and upstream passes
// keep what it takes to correct them.

// MUTANT: func.func private @einnet.original.conv(%{{.*}}: tensor<2x3x8x8xf32>, %{{.*}}: tensor<4x3x3x3xf32>)
// MUTANT: linalg.conv_2d_nchw_fchw
// MUTANT-LABEL: func.func @main(
// MUTANT-SAME: %[[X:.*]]: tensor<2x3x8x8xf32>, %[[W:.*]]: tensor<4x3x3x3xf32>
// MUTANT: linalg.conv_2d_nhwc_hwcf {{.*}}einnet.label = "conv.operator"
// MUTANT-SAME: -> tensor<1x16x8x4xf32>
// MUTANT: %[[M:.*]] = linalg.generic {{.*}}einnet.label = "conv.mutant"
// MUTANT: %[[OUT:.*]] = builtin.unrealized_conversion_cast %[[M]], %[[X]], %[[W]]
// MUTANT-SAME: einnet.incorrect_boxes = ["[0, 0:4:1, 7, 0:8:1]", "[1, 0:4:1, 0, 0:8:1]"]
// MUTANT-SAME: einnet.label = "conv"
// MUTANT-SAME: einnet.mutant = "merge-borders(operand=0, outer=0, inner=2, gap=0)"
// MUTANT-SAME: einnet.original = @einnet.original.conv
// MUTANT: return %[[OUT]]

// DIFFER: different: output 0 ({{.*}}: 2x4x8x8xf32): 64 positions of 512
// DIFFER: [0, 0:4:1, 7,
// DIFFER: [1, 0:4:1, 0,

// STUCK: error: op was not bufferized

// CORRECTED-NOT: @einnet.original
// CORRECTED: func.func @main(%[[X:.*]]: tensor<2x3x8x8xf32>, %[[W:.*]]: tensor<4x3x3x3xf32>)
// CORRECTED: %[[M:.*]] = linalg.generic {{.*}}einnet.label = "conv.mutant"
// CORRECTED: %[[LAST:.*]] = tensor.extract_slice %[[X]][0, 0, 6, 0] [1, 3, 2, 8] [1, 1, 1, 1] {einnet.correction}
// CORRECTED: %[[PADDED:.*]] = tensor.pad %[[LAST]] low[0, 0, 0, 1] high[0, 0, 1, 1]
// CORRECTED: %[[ROW:.*]] = linalg.conv_2d_nchw_fchw {{.*}}einnet.correction{{.*}} ins(%[[PADDED]], %[[W]]
// CORRECTED-SAME: -> tensor<1x4x1x8xf32>
// CORRECTED: tensor.extract_slice %[[X]][1, 0, 0, 0] [1, 3, 2, 8] [1, 1, 1, 1] {einnet.correction}
// CORRECTED: %[[OTHER:.*]] = linalg.conv_2d_nchw_fchw {{.*}}einnet.correction
// CORRECTED: %[[ONE:.*]] = tensor.insert_slice %{{.*}} into %[[M]]
// CORRECTED-SAME: {einnet.correction}
// CORRECTED: %[[BOTH:.*]] = tensor.insert_slice %{{.*}} into %[[ONE]]
// CORRECTED-SAME: einnet.correction, einnet.label = "conv"
// CORRECTED-NOT: unrealized_conversion_cast
// CORRECTED: return %[[BOTH]]

// EQUAL: equal: 1 output compared

// With a row of zeros between the images nothing is wrong.

// GAP-NOT: einnet.mutant
// GAP-NOT: einnet.correction
// GAP: linalg.conv_2d_nhwc_hwcf {{.*}} -> tensor<1x17x8x4xf32>
// GAP: einnet.label = "conv"
// GAP-NOT: insert_slice
func.func @main(%x: tensor<2x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<2x4x8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%n: index, %c: index, %i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<2x3x8x8xf32> to tensor<2x3x10x10xf32>
  %empty = tensor.empty() : tensor<2x4x8x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  %y = linalg.conv_2d_nchw_fchw {einnet.label = "conv"}
      ins(%padded, %w : tensor<2x3x10x10xf32>, tensor<4x3x3x3xf32>)
      outs(%init : tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  return %y : tensor<2x4x8x8xf32>
}
