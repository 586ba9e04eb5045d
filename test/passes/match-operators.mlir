// RUN: einnet-opt %s --einnet-match-operators > %t
// RUN: FileCheck %s --input-file=%t
// RUN: mlir-opt %t -o /dev/null
// RUN: einnet-opt %s --einnet-match-operators=target=cuda > %t.cuda
// RUN: FileCheck %s --input-file=%t.cuda --check-prefix=CUDA
// RUN: einnet verify %t %t.cuda --entry convolution | FileCheck %s --check-prefix=EQUAL
// RUN: einnet-opt %t --einnet-match-operators | diff %t -

// EQUAL: equal: 1 output

// A product with its second operand stored transposed, which libraries read in place; what it adds
// to is added afterwards.

// CHECK-DAG: #[[B_MAP:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>

// CHECK-LABEL: func.func @transposed
// CHECK-SAME: %[[A:.*]]: tensor<24x20xf32>, %[[B:.*]]: tensor<28x20xf32>, %[[OLD:.*]]: tensor<24x28xf32>
// CHECK: %[[P:.*]] = linalg.matmul indexing_maps = [{{.*}}, #[[B_MAP]], {{.*}}]
// CHECK-SAME: einnet.label = "p", einnet.library = "blas"
// CHECK-SAME: ins(%[[A]], %[[B]] :
// CHECK: linalg.generic {{.*}} ins(%[[OLD]], %[[P]]
func.func @transposed(%a: tensor<24x20xf32>, %b: tensor<28x20xf32>, %old: tensor<24x28xf32>)
    -> tensor<24x28xf32> {
  %p = linalg.generic {
      indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>,
                       affine_map<(m, n, k) -> (m, n)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<24x20xf32>, tensor<28x20xf32>) outs(%old : tensor<24x28xf32>)
      attrs = {einnet.label = "p"} {
  ^bb0(%x: f32, %y: f32, %sum: f32):
    %xy = arith.mulf %x, %y : f32
    %next = arith.addf %sum, %xy : f32
    linalg.yield %next : f32
  } -> tensor<24x28xf32>
  return %p : tensor<24x28xf32>
}

// Heads are a batch that lies inside the rows: the operand is stored again.

// CHECK-LABEL: func.func @heads
// CHECK: einnet.label = "scores.layout"
// CHECK: linalg.batch_matmul {{.*}} einnet.library = "blas"
func.func @heads(%q: tensor<16x5x8xf32>, %k: tensor<12x8x5xf32>) -> tensor<5x16x12xf32> {
  %zero = arith.constant dense<0.0> : tensor<5x16x12xf32>
  %p = linalg.generic {
      indexing_maps = [affine_map<(h, m, n, d) -> (m, h, d)>, affine_map<(h, m, n, d) -> (n, d, h)>,
                       affine_map<(h, m, n, d) -> (h, m, n)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k : tensor<16x5x8xf32>, tensor<12x8x5xf32>) outs(%zero : tensor<5x16x12xf32>)
      attrs = {einnet.label = "scores"} {
  ^bb0(%x: f32, %y: f32, %sum: f32):
    %xy = arith.mulf %x, %y : f32
    %next = arith.addf %sum, %xy : f32
    linalg.yield %next : f32
  } -> tensor<5x16x12xf32>
  return %p : tensor<5x16x12xf32>
}

// A convolution is an operator of a GPU's library, with channels last, and none of the CPU's.

// CHECK-LABEL: func.func @convolution
// CHECK: linalg.conv_2d_nchw_fchw
// CHECK-NOT: einnet.library
// CHECK: return

// CUDA-LABEL: func.func @convolution
// CUDA-SAME: %[[X:.*]]: tensor<1x16x7x7xf32>
// CUDA: %[[L:.*]] = linalg.generic {{.*}} ins(%[[X]] : {{.*}} einnet.label = "c.layout"
// CUDA: linalg.conv_2d_nhwc_fhwc
// CUDA-SAME: einnet.label = "c.convolution", einnet.library = "cudnn", einnet.operator = "conv2d(kernel=3x3, stride=2x2)"
// CUDA-SAME: ins(%[[L]],
// CUDA: einnet.label = "c"
func.func @convolution(%x: tensor<1x16x7x7xf32>, %w: tensor<8x16x3x3xf32>) -> tensor<1x8x3x3xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x8x3x3xf32>
  %y = linalg.conv_2d_nchw_fchw {einnet.label = "c", strides = dense<2> : tensor<2xi64>}
      ins(%x, %w : tensor<1x16x7x7xf32>, tensor<8x16x3x3xf32>)
      outs(%zero : tensor<1x8x3x3xf32>) -> tensor<1x8x3x3xf32>
  return %y : tensor<1x8x3x3xf32>
}

// With a kernel of one element it is a product.

// CHECK-LABEL: func.func @pointwise
// CHECK: linalg.matmul {{.*}} einnet.library = "blas"
func.func @pointwise(%x: tensor<1x14x14x64xf32>, %w: tensor<1x1x64x32xf32>) -> tensor<1x14x14x32xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x14x14x32xf32>
  %y = linalg.conv_2d_nhwc_hwcf ins(%x, %w : tensor<1x14x14x64xf32>, tensor<1x1x64x32xf32>)
      outs(%zero : tensor<1x14x14x32xf32>) -> tensor<1x14x14x32xf32>
  return %y : tensor<1x14x14x32xf32>
}

// The CPU's library has no products of half precision, the GPU's has.

// CHECK-LABEL: func.func @half
// CHECK-NOT: einnet.library
// CHECK: return
// CUDA-LABEL: func.func @half
// CUDA: einnet.library = "blas"
func.func @half(%a: tensor<10x8xf16>, %b: tensor<8x6xf16>) -> tensor<10x6xf16> {
  %zero = arith.constant dense<0.0> : tensor<10x6xf16>
  %p = linalg.matmul ins(%a, %b : tensor<10x8xf16>, tensor<8x6xf16>)
      outs(%zero : tensor<10x6xf16>) -> tensor<10x6xf16>
  return %p : tensor<10x6xf16>
}
