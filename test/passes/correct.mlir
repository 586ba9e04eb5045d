// RUN: einnet-opt %s --einnet-correct=merge=false -o %t.apart.mlir
// RUN: FileCheck %s --check-prefix=APART --input-file=%t.apart.mlir
// RUN: not einnet verify %t.apart.mlir %s --entry=f | FileCheck %s --check-prefix=DIFFER
// RUN: einnet-opt %s --einnet-correct="label=conv" | FileCheck %s --check-prefix=MERGED
// RUN: einnet-opt %s --einnet-correct=share | FileCheck %s --check-prefix=SHARED
// RUN: mlir-opt %t.apart.mlir --one-shot-bufferize=bufferize-function-boundaries --canonicalize --cse --canonicalize \
// RUN:   | FileCheck %s --check-prefix=BUFFER
// RUN: einnet-opt %t.apart.mlir --einnet-lower-to-nvvm=stage=gpu | FileCheck %s --check-prefix=GPU

// What einnet-mutate writes, shortened by hand: two rows side by side, and at their seam one column
// of each that is wrong.

// APART-NOT: @einnet.original
// APART: func.func @f(%[[X:.*]]: tensor<2x8x16xf32>, %[[W:.*]]: tensor<8x8x3xf32>)
// APART: linalg.conv_1d_ncw_fcw {{.*}} -> tensor<1x8x32xf32>
// APART: %[[M:.*]] = linalg.transpose
// APART: %[[LAST:.*]] = tensor.extract_slice %[[X]][0, 0, 14] [1, 8, 2] [1, 1, 1] {einnet.correction}
// APART: %[[PADDED:.*]] = tensor.pad %[[LAST]] low[0, 0, 0] high[0, 0, 1]
// APART: } {einnet.correction}
// APART: %[[ONE:.*]] = linalg.conv_1d_ncw_fcw {{.*}}einnet.correction{{.*}} ins(%[[PADDED]], %[[W]]
// APART: %[[OTHER:.*]] = linalg.conv_1d_ncw_fcw {{.*}}einnet.correction
// APART: %[[FIRST:.*]] = tensor.insert_slice %{{.*}} into %[[M]]
// APART-SAME: {einnet.correction}
// APART: %[[BOTH:.*]] = tensor.insert_slice %{{.*}} into %[[FIRST]]
// APART-SAME: {einnet.correction, einnet.label = "conv"}
// APART: return %[[BOTH]]

// DIFFER: different: output 0 ({{.*}}: 2x8x16xf32): 16 positions of 256

// Both columns of both rows as one box cost less than two calls.

// MERGED: linalg.conv_1d_ncw_fcw {{.*}} -> tensor<1x8x32xf32>
// MERGED: %[[M:.*]] = linalg.transpose
// MERGED: linalg.conv_1d_ncw_fcw {{.*}}einnet.correction{{.*}}strides = dense<15>
// MERGED: tensor.insert_slice %{{.*}} into %[[M]][0, 0, 0] [2, 8, 2] [1, 1, 15] {einnet.correction, einnet.label = "conv"}

// One operator for all.

// SHARED: linalg.conv_1d_nwc_wcf {{.*}}einnet.label = "conv.operator+correction of conv"
// SHARED-NOT: linalg.conv
// SHARED: tensor.insert_slice {{.*}}einnet.label = "conv"

// Nothing is copied but columns of the result.

// BUFFER: %[[RESULT:.*]] = memref.alloc() {{.*}}: memref<2x8x16xf32>
// BUFFER: linalg.transpose ins(%{{.*}} : memref<8x2x16xf32{{.*}}>) outs(%[[RESULT]]
// BUFFER: %[[BOX:.*]] = memref.subview %[[RESULT]]{{.*}} [1, 8, 1]
// BUFFER-NEXT: memref.copy %{{.*}}, %[[BOX]]
// BUFFER: %[[BOX:.*]] = memref.subview %[[RESULT]]{{.*}} [1, 8, 1]
// BUFFER-NEXT: memref.copy %{{.*}}, %[[BOX]]
// BUFFER-NEXT: return %[[RESULT]]

// GPU: gpu.launch_func

func.func private @einnet.original.conv(%x: tensor<2x8x16xf32>, %w: tensor<8x8x3xf32>)
    -> tensor<2x8x16xf32> {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 0, 1] high[0, 0, 1] {
  ^bb0(%n: index, %c: index, %i: index):
    tensor.yield %zero : f32
  } : tensor<2x8x16xf32> to tensor<2x8x18xf32>
  %init = arith.constant dense<0.0> : tensor<2x8x16xf32>
  %y = linalg.conv_1d_ncw_fcw ins(%padded, %w : tensor<2x8x18xf32>, tensor<8x8x3xf32>)
      outs(%init : tensor<2x8x16xf32>) -> tensor<2x8x16xf32>
  return %y : tensor<2x8x16xf32>
}
func.func @f(%x: tensor<2x8x16xf32>, %w: tensor<8x8x3xf32>) -> tensor<2x8x16xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<8x2x16xf32>
  %moved = linalg.transpose ins(%x : tensor<2x8x16xf32>) outs(%empty : tensor<8x2x16xf32>)
      permutation = [1, 0, 2]
  %row = tensor.collapse_shape %moved [[0], [1, 2]] : tensor<8x2x16xf32> into tensor<8x32xf32>
  %image = tensor.expand_shape %row [[0, 1], [2]] output_shape [1, 8, 32]
      : tensor<8x32xf32> into tensor<1x8x32xf32>
  %padded = tensor.pad %image low[0, 0, 1] high[0, 0, 1] {
  ^bb0(%n: index, %c: index, %i: index):
    tensor.yield %zero : f32
  } : tensor<1x8x32xf32> to tensor<1x8x34xf32>
  %init = arith.constant dense<0.0> : tensor<1x8x32xf32>
  %both = linalg.conv_1d_ncw_fcw ins(%padded, %w : tensor<1x8x34xf32>, tensor<8x8x3xf32>)
      outs(%init : tensor<1x8x32xf32>) -> tensor<1x8x32xf32>
  %split = tensor.expand_shape %both [[0], [1], [2, 3]] output_shape [1, 8, 2, 16]
      : tensor<1x8x32xf32> into tensor<1x8x2x16xf32>
  %parts = tensor.collapse_shape %split [[0, 1], [2], [3]]
      : tensor<1x8x2x16xf32> into tensor<8x2x16xf32>
  %other = tensor.empty() : tensor<2x8x16xf32>
  %mutant = linalg.transpose ins(%parts : tensor<8x2x16xf32>) outs(%other : tensor<2x8x16xf32>)
      permutation = [1, 0, 2]
  %y = builtin.unrealized_conversion_cast %mutant, %x, %w
      : tensor<2x8x16xf32>, tensor<2x8x16xf32>, tensor<8x8x3xf32> to tensor<2x8x16xf32>
      {einnet.label = "conv", einnet.mutant = "merge-borders(operand=0, outer=0, inner=2, gap=0)",
       einnet.incorrect_boxes = ["[0, 0:8:1, 15]", "[1, 0:8:1, 0]"],
       einnet.original = @einnet.original.conv}
  return %y : tensor<2x8x16xf32>
}
