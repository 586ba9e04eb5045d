// RUN: einnet-opt %s --einnet-mutate="labels=p,q mutation=merge-borders(inner=3)" -o %t.row.mlir
// RUN: FileCheck %s --check-prefix=ROW --input-file=%t.row.mlir
// RUN: einnet verify %s %t.row.mlir --entry=tall | FileCheck %s --check-prefix=EQUAL

// RUN: einnet-opt %s --einnet-mutate="labels=p,q mutation=merge-borders(inner=2,gap=0)" -o %t.seam.mlir
// RUN: FileCheck %s --check-prefix=SEAM --input-file=%t.seam.mlir
// RUN: not einnet verify %s %t.seam.mlir --entry=tall | FileCheck %s --check-prefix=DIFFER
// RUN: einnet-opt %t.seam.mlir --einnet-correct -o %t.corrected.mlir
// RUN: FileCheck %s --check-prefix=CORRECTED --input-file=%t.corrected.mlir
// RUN: einnet verify %s %t.corrected.mlir --entry=tall | FileCheck %s --check-prefix=EQUAL

// RUN: einnet-opt %s --einnet-mutate="labels=a,b,c mutation=merge-borders(inner=3) correct share" -o %t.neck.mlir
// RUN: FileCheck %s --check-prefix=NECK --input-file=%t.neck.mlir
// RUN: einnet verify %s %t.neck.mlir --entry=bottleneck | FileCheck %s --check-prefix=EQUAL

// RUN: einnet-opt %s --einnet-mutate="labels=a,b,c correct" -o %t.free.mlir
// RUN: einnet verify %s %t.free.mlir --entry=bottleneck | FileCheck %s --check-prefix=EQUAL

// EQUAL: equal: {{[12]}} output{{s?}} compared

// Along the dimension in which the kernels do not reach, both images stand side by side in the whole
// chain, and what is between is computed so.

// ROW-LABEL: func.func @tall(
// ROW: einnet.label = "p.layout"
// ROW: %[[P:.*]] = linalg.generic {{.*}}einnet.label = "p.operator"
// ROW: %[[R:.*]] = linalg.generic {{.*}} ins(%[[P]] : tensor<16x8x4xf32>)
// ROW-SAME: einnet.label = "p+relu+q.layout"
// ROW: arith.cmpf
// ROW: %[[PADDED:.*]] = tensor.pad %[[R]]
// ROW: %[[Q:.*]] = linalg.generic {{.*}} ins(%[[PADDED]],
// ROW-SAME: einnet.label = "q.operator"
// ROW: %[[OUT:.*]] = linalg.generic {{.*}} ins(%[[Q]]
// ROW-SAME: einnet.label = "q"
// ROW: return %[[OUT]]

// Along the other one both are wrong at the seam. Each has a mark, and between them everything is
// laid out as it was, since corrections start from there.

// SEAM: func.func private @einnet.original.p(
// SEAM: func.func private @einnet.original.q(
// SEAM-LABEL: func.func @tall(
// SEAM: %[[P:.*]] = linalg.generic {{.*}}einnet.label = "p.mutant"
// SEAM: %[[MP:.*]] = builtin.unrealized_conversion_cast %[[P]]
// SEAM-SAME: einnet.incorrect_boxes = ["[0, 0:4:1, 7, 0:8:1]", "[1, 0:4:1, 0, 0:8:1]"]
// SEAM: %[[R:.*]] = linalg.generic {{.*}} ins(%[[MP]] :
// SEAM-SAME: einnet.label = "relu"
// SEAM: %[[Q:.*]] = linalg.generic {{.*}}einnet.label = "q.mutant"
// SEAM: %[[MQ:.*]] = builtin.unrealized_conversion_cast %[[Q]], %[[R]]
// SEAM-SAME: einnet.label = "q"
// SEAM-SAME: einnet.original = @einnet.original.q
// SEAM: return %[[MQ]]

// DIFFER: different: output 0

// CORRECTED-NOT: @einnet.original
// CORRECTED: einnet.label = "correction of p"
// CORRECTED: tensor.insert_slice {{.*}}einnet.label = "p"
// CORRECTED: einnet.label = "relu"
// CORRECTED: einnet.label = "correction of q"
// CORRECTED: tensor.insert_slice {{.*}}einnet.label = "q"
func.func @tall(%x: tensor<2x3x8x8xf32>, %w: tensor<4x3x3x1xf32>, %v: tensor<4x4x3x1xf32>)
    -> tensor<2x4x8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %none = arith.constant dense<0.0> : tensor<2x4x8x8xf32>
  %padded = tensor.pad %x low[0, 0, 1, 0] high[0, 0, 1, 0] {
  ^bb0(%n: index, %c: index, %i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<2x3x8x8xf32> to tensor<2x3x10x8xf32>
  %p = linalg.conv_2d_nchw_fchw {einnet.label = "p"}
      ins(%padded, %w : tensor<2x3x10x8xf32>, tensor<4x3x3x1xf32>)
      outs(%none : tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  %empty = tensor.empty() : tensor<2x4x8x8xf32>
  %r = linalg.generic {einnet.label = "relu",
      indexing_maps = [affine_map<(n, c, i, j) -> (n, c, i, j)>,
                       affine_map<(n, c, i, j) -> (n, c, i, j)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%p : tensor<2x4x8x8xf32>) outs(%empty : tensor<2x4x8x8xf32>) {
  ^bb0(%a: f32, %out: f32):
    %m = arith.maximumf %a, %zero : f32
    linalg.yield %m : f32
  } -> tensor<2x4x8x8xf32>
  %padded1 = tensor.pad %r low[0, 0, 1, 0] high[0, 0, 1, 0] {
  ^bb0(%n: index, %c: index, %i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<2x4x8x8xf32> to tensor<2x4x10x8xf32>
  %q = linalg.conv_2d_nchw_fchw {einnet.label = "q"}
      ins(%padded1, %v : tensor<2x4x10x8xf32>, tensor<4x4x3x1xf32>)
      outs(%none : tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  return %q : tensor<2x4x8x8xf32>
}

// Kernels of one tap move along with the others. What the function returns is laid out as it was;
// only the member in the middle, which is wrong at the seam, is corrected, by its own operator.

// NECK-LABEL: func.func @bottleneck(
// NECK-NOT: unrealized_conversion_cast
// NECK: einnet.label = "a.operator"
// NECK: einnet.label = "b.operator+correction of b"
// NECK: einnet.label = "c.operator"
// NECK: einnet.label = "c"
func.func @bottleneck(%x: tensor<2x3x6x6xf32>, %w: tensor<4x3x1x1xf32>, %v: tensor<4x4x3x3xf32>,
                      %u: tensor<3x4x1x1xf32>, %bias: tensor<2x4x6x6xf32>)
    -> (tensor<2x4x6x6xf32>, tensor<2x3x6x6xf32>) {
  %zero = arith.constant 0.0 : f32
  %none = arith.constant dense<0.0> : tensor<2x3x6x6xf32>
  %init = arith.constant dense<0.0> : tensor<2x4x6x6xf32>
  %a = linalg.conv_2d_nchw_fchw {einnet.label = "a"}
      ins(%x, %w : tensor<2x3x6x6xf32>, tensor<4x3x1x1xf32>)
      outs(%bias : tensor<2x4x6x6xf32>) -> tensor<2x4x6x6xf32>
  %padded = tensor.pad %a low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%n: index, %c: index, %i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<2x4x6x6xf32> to tensor<2x4x8x8xf32>
  %b = linalg.conv_2d_nchw_fchw {einnet.label = "b"}
      ins(%padded, %v : tensor<2x4x8x8xf32>, tensor<4x4x3x3xf32>)
      outs(%init : tensor<2x4x6x6xf32>) -> tensor<2x4x6x6xf32>
  %c = linalg.conv_2d_nchw_fchw {einnet.label = "c"}
      ins(%b, %u : tensor<2x4x6x6xf32>, tensor<3x4x1x1xf32>)
      outs(%none : tensor<2x3x6x6xf32>) -> tensor<2x3x6x6xf32>
  return %b, %c : tensor<2x4x6x6xf32>, tensor<2x3x6x6xf32>
}
