// RUN: einnet-opt %s --einnet-mutate="labels=p,q mutation=merge-padded" -o %t.one.mlir
// RUN: FileCheck %s --check-prefix=ONE --input-file=%t.one.mlir
// RUN: einnet verify %s %t.one.mlir --entry=windows | FileCheck %s --check-prefix=EQUAL

// RUN: einnet-opt %s --einnet-mutate="labels=p,q mutation=batch-padded" -o %t.grouped.mlir
// RUN: FileCheck %s --check-prefix=GROUPED --input-file=%t.grouped.mlir
// RUN: einnet verify %s %t.grouped.mlir --entry=windows | FileCheck %s --check-prefix=EQUAL

// RUN: einnet-opt %s --einnet-mutate="labels=a,b,c" -o %t.batch.mlir
// RUN: FileCheck %s --check-prefix=BATCH --input-file=%t.batch.mlir
// RUN: einnet verify %s %t.batch.mlir --entry=products | FileCheck %s --check-prefix=EQUAL

// RUN: einnet-opt %s --einnet-mutate="labels=u,v depth=1 mutation=merge-padded,merge-borders(gap=0)" -o %t.side.mlir
// RUN: FileCheck %s --check-prefix=SIDE --input-file=%t.side.mlir
// RUN: not einnet verify %s %t.side.mlir --entry=images | FileCheck %s --check-prefix=DIFFER
// RUN: mlir-opt %t.side.mlir --canonicalize --cse --symbol-dce -o %t.later.mlir
// RUN: einnet-opt %t.later.mlir --einnet-correct -o %t.corrected.mlir
// RUN: FileCheck %s --check-prefix=CORRECTED --input-file=%t.corrected.mlir
// RUN: einnet verify %s %t.corrected.mlir --entry=images | FileCheck %s --check-prefix=EQUAL

// EQUAL: equal: {{[23]}} outputs compared

// The 1x1 kernel is a 3x3 kernel with zeros around it: one convolution, whose result is sliced.

// ONE-LABEL: func.func @windows(
// ONE-SAME: %[[X:.*]]: tensor<1x8x6x6xf32>, %[[U:.*]]: tensor<5x8x3x3xf32>, %[[V:.*]]: tensor<3x8x1x1xf32>
// ONE: %[[WIDE:.*]] = tensor.pad %[[V]] low[0, 0, 1, 1] high[0, 0, 1, 1]
// ONE: linalg.generic {{.*}}einnet.label = "p+q.layout1"
// ONE: tensor.extract %[[U]]
// ONE: tensor.extract %[[WIDE]]
// ONE: linalg.conv_2d_nhwc_hwcf {{.*}}einnet.label = "p+q.operator"
// ONE-SAME: tensor<3x3x8x8xf32>
// ONE-NOT: linalg.conv
// ONE: %[[BOTH:.*]] = linalg.generic {{.*}}einnet.label = "p+q.layout2"
// ONE: %[[P:.*]] = tensor.extract_slice %[[BOTH]][0, 0, 0, 0] [1, 5, 6, 6] [1, 1, 1, 1] {einnet.label = "p"}
// ONE: %[[Q:.*]] = tensor.extract_slice %[[BOTH]][0, 5, 0, 0] [1, 3, 6, 6] [1, 1, 1, 1] {einnet.label = "q"}
// ONE: return %[[P]], %[[Q]]

// As a grouped convolution the filters are as many, too.

// GROUPED-LABEL: func.func @windows(
// GROUPED: tensor.pad %{{.*}} low[0, 0, 1, 1] high[2, 0, 1, 1]
// GROUPED: tensor<3x8x1x1xf32> to tensor<5x8x3x3xf32>
// GROUPED: einnet.label = "p+q.operator"
// GROUPED: -> tensor<2x1x6x6x5xf32>
// GROUPED-NOT: "p+q.operator
// GROUPED: einnet.label = "p"
// GROUPED: einnet.label = "q"
func.func @windows(%x: tensor<1x8x6x6xf32>, %u: tensor<5x8x3x3xf32>, %v: tensor<3x8x1x1xf32>)
    -> (tensor<1x5x6x6xf32>, tensor<1x3x6x6xf32>) {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%n: index, %c: index, %i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<1x8x6x6xf32> to tensor<1x8x8x8xf32>
  %init0 = arith.constant dense<0.0> : tensor<1x5x6x6xf32>
  %p = linalg.conv_2d_nchw_fchw {einnet.label = "p"}
      ins(%padded, %u : tensor<1x8x8x8xf32>, tensor<5x8x3x3xf32>)
      outs(%init0 : tensor<1x5x6x6xf32>) -> tensor<1x5x6x6xf32>
  %init1 = arith.constant dense<0.0> : tensor<1x3x6x6xf32>
  %q = linalg.conv_2d_nchw_fchw {einnet.label = "q"}
      ins(%x, %v : tensor<1x8x6x6xf32>, tensor<3x8x1x1xf32>)
      outs(%init1 : tensor<1x3x6x6xf32>) -> tensor<1x3x6x6xf32>
  return %p, %q : tensor<1x5x6x6xf32>, tensor<1x3x6x6xf32>
}

// Products of different tensors as one batched product. An operand that is computed after the first
// of them moves before it.

// BATCH-LABEL: func.func @products(
// BATCH: linalg.exp
// BATCH: linalg.batch_matmul {{.*}}einnet.label = "a+b+c.operator"
// BATCH-SAME: -> tensor<3x16x24xf32>
// BATCH-NOT: linalg.matmul
// BATCH: einnet.label = "a"
// BATCH: einnet.label = "b"
// BATCH: einnet.label = "c"
func.func @products(%x: tensor<16x8xf32>, %y: tensor<16x8xf32>, %z: tensor<16x8xf32>, %k: tensor<8x24xf32>,
                    %l: tensor<8x24xf32>, %m: tensor<8x24xf32>)
    -> (tensor<16x24xf32>, tensor<16x24xf32>, tensor<16x24xf32>) {
  %zero = arith.constant dense<0.0> : tensor<16x24xf32>
  %a = linalg.matmul {einnet.label = "a"} ins(%x, %k : tensor<16x8xf32>, tensor<8x24xf32>)
      outs(%zero : tensor<16x24xf32>) -> tensor<16x24xf32>
  %b = linalg.matmul {einnet.label = "b"} ins(%y, %l : tensor<16x8xf32>, tensor<8x24xf32>)
      outs(%zero : tensor<16x24xf32>) -> tensor<16x24xf32>
  %empty = tensor.empty() : tensor<16x8xf32>
  %e = linalg.exp ins(%z : tensor<16x8xf32>) outs(%empty : tensor<16x8xf32>) -> tensor<16x8xf32>
  %c = linalg.matmul {einnet.label = "c"} ins(%e, %m : tensor<16x8xf32>, tensor<8x24xf32>)
      outs(%zero : tensor<16x24xf32>) -> tensor<16x24xf32>
  return %a, %b, %c : tensor<16x24xf32>, tensor<16x24xf32>, tensor<16x24xf32>
}

// One convolution for both, in which the images stand side by side: both results are wrong at the
// seam, each has its mark, and an initial value is added behind it.

// SIDE: func.func private @einnet.original.u(
// SIDE: func.func private @einnet.original.v(
// SIDE-LABEL: func.func @images(
// SIDE-SAME: %[[X:.*]]: tensor<2x3x8xf32>, %[[U:.*]]: tensor<4x3x3xf32>, %[[V:.*]]: tensor<5x3x3xf32>, %[[B:.*]]: tensor<2x5x8xf32>
// SIDE: linalg.conv_1d_nwc_wcf {{.*}}einnet.label = "u+v.operator"
// SIDE-SAME: -> tensor<1x16x9xf32>
// SIDE: %[[MU:.*]] = tensor.extract_slice {{.*}}einnet.label = "u.mutant"
// SIDE: %[[OUT:.*]] = builtin.unrealized_conversion_cast %[[MU]], %[[X]], %[[U]]
// SIDE-SAME: einnet.incorrect_boxes = ["[0, 0:4:1, 7]", "[1, 0:4:1, 0]"]
// SIDE-SAME: einnet.label = "u"
// SIDE-SAME: einnet.mutant = "merge-padded(definitions={{.*}}), merge-borders(operand=0, outer=0, inner=2, gap=0)"
// SIDE: %[[MV:.*]] = tensor.extract_slice {{.*}}einnet.label = "v.mutant"
// SIDE: %[[SUM:.*]] = builtin.unrealized_conversion_cast %[[MV]], %[[X]], %[[V]]
// SIDE-SAME: einnet.incorrect_boxes = ["[0, 0:5:1, 7]", "[1, 0:5:1, 0]"]
// SIDE: %[[LAST:.*]] = linalg.generic {{.*}} ins(%[[B]], %[[SUM]]
// SIDE: return %[[OUT]], %[[LAST]]

// DIFFER: different: output 0 ({{.*}}: 2x4x8xf32): 8 positions of 64
// DIFFER: different: output 1 ({{.*}}: 2x5x8xf32): 10 positions of 80
// DIFFER: 0 of 2 outputs are equal

// CORRECTED-NOT: @einnet.original
// CORRECTED: func.func @images(
// CORRECTED-COUNT-1: linalg.conv_1d_nwc_wcf
// CORRECTED: linalg.conv_1d_ncw_fcw {{.*}}einnet.label = "correction of u"
// CORRECTED: tensor.insert_slice {{.*}}einnet.label = "u"
// CORRECTED: linalg.conv_1d_ncw_fcw {{.*}}einnet.label = "correction of v"
// CORRECTED: tensor.insert_slice
// CORRECTED-NOT: unrealized_conversion_cast
func.func @images(%x: tensor<2x3x8xf32>, %s: tensor<4x3x3xf32>, %t: tensor<5x3x3xf32>, %b: tensor<2x5x8xf32>)
    -> (tensor<2x4x8xf32>, tensor<2x5x8xf32>) {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 0, 1] high[0, 0, 1] {
  ^bb0(%n: index, %c: index, %i: index):
    tensor.yield %zero : f32
  } : tensor<2x3x8xf32> to tensor<2x3x10xf32>
  %init = arith.constant dense<0.0> : tensor<2x4x8xf32>
  %u = linalg.conv_1d_ncw_fcw {einnet.label = "u"}
      ins(%padded, %s : tensor<2x3x10xf32>, tensor<4x3x3xf32>)
      outs(%init : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  %v = linalg.conv_1d_ncw_fcw {einnet.label = "v"}
      ins(%padded, %t : tensor<2x3x10xf32>, tensor<5x3x3xf32>)
      outs(%b : tensor<2x5x8xf32>) -> tensor<2x5x8xf32>
  return %u, %v : tensor<2x4x8xf32>, tensor<2x5x8xf32>
}
