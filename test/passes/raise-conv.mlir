// RUN: einnet-opt %s --einnet-raise-conv > %t
// RUN: FileCheck %s --input-file=%t
// RUN: mlir-opt %t -o /dev/null
// RUN: einnet verify %s %t --entry transposed | FileCheck %s --check-prefix=EQUAL
// RUN: einnet verify %s %t --entry im2col | FileCheck %s --check-prefix=EQUAL
// RUN: einnet verify %s %t --entry padded_depthwise | FileCheck %s --check-prefix=EQUAL
// RUN: einnet-opt %t --einnet-raise-conv | diff %t -

// EQUAL: equal: 1 output

// An importer's transposed convolution: zeros between the elements and around them, a flipped
// kernel, a convolution with stride 1.

// CHECK-LABEL: func.func @transposed
// CHECK-SAME: %[[X:.*]]: tensor<1x8x4x4xf32>, %[[W:.*]]: tensor<8x6x4x4xf32>
// CHECK-NOT: insert_slice
// CHECK: %[[Y:.*]] = linalg.generic
// CHECK-SAME: ins(%[[W]] : tensor<8x6x4x4xf32>)
// CHECK-SAME: einnet.label = "up", einnet.operator = "conv_transpose2d(kernel=4x4, stride=2x2, padding=1x1)"
// CHECK: tensor.extract %[[X]]
// CHECK: return %[[Y]]
func.func @transposed(%x: tensor<1x8x4x4xf32>, %w: tensor<8x6x4x4xf32>) -> tensor<1x6x8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e0 = tensor.empty() : tensor<1x8x11x11xf32>
  %blank = linalg.fill ins(%zero : f32) outs(%e0 : tensor<1x8x11x11xf32>) -> tensor<1x8x11x11xf32>
  %stuffed = tensor.insert_slice %x into %blank[0, 0, 2, 2] [1, 8, 4, 4] [1, 1, 2, 2]
      : tensor<1x8x4x4xf32> into tensor<1x8x11x11xf32>
  %e1 = tensor.empty() : tensor<6x8x4x4xf32>
  %flipped = linalg.generic {
      indexing_maps = [affine_map<(f, c, r, s) -> (f, c, r, s)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      outs(%e1 : tensor<6x8x4x4xf32>) {
  ^bb0(%old: f32):
    %f = linalg.index 0 : index
    %c = linalg.index 1 : index
    %r = linalg.index 2 : index
    %s = linalg.index 3 : index
    %three = arith.constant 3 : index
    %up = arith.subi %three, %r : index
    %left = arith.subi %three, %s : index
    %e = tensor.extract %w[%c, %f, %up, %left] : tensor<8x6x4x4xf32>
    linalg.yield %e : f32
  } -> tensor<6x8x4x4xf32>
  %e2 = tensor.empty() : tensor<1x6x8x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e2 : tensor<1x6x8x8xf32>) -> tensor<1x6x8x8xf32>
  %y = linalg.conv_2d_nchw_fchw {einnet.label = "up"}
      ins(%stuffed, %flipped : tensor<1x8x11x11xf32>, tensor<6x8x4x4xf32>)
      outs(%init : tensor<1x6x8x8xf32>) -> tensor<1x6x8x8xf32>
  return %y : tensor<1x6x8x8xf32>
}

// Affine loops with strides and a dilation; what they add to is added afterwards.

// CHECK-LABEL: func.func @affine
// CHECK: %[[C:.*]] = linalg.conv_2d_nhwc_hwcf {dilations = dense<[2, 1]>
// CHECK-SAME: einnet.operator = "conv2d(kernel=3x3, stride=2x2, dilation=2x1)"
// CHECK-SAME: strides = dense<2>
// CHECK: %[[Y:.*]] = linalg.generic {{.*}} ins(%{{.*}}, %[[C]]
// CHECK: return %[[Y]]
func.func @affine(%x: tensor<2x12x13x8xf32>, %w: tensor<3x3x8x16xf32>, %init: tensor<2x4x5x16xf32>)
    -> tensor<2x4x5x16xf32> {
  %y = linalg.generic {
      indexing_maps = [affine_map<(n, h, w, f, r, s, c) -> (n, 2*h + 2*r, 2*w + s, c)>,
                       affine_map<(n, h, w, f, r, s, c) -> (r, s, c, f)>,
                       affine_map<(n, h, w, f, r, s, c) -> (n, h, w, f)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel",
                        "reduction", "reduction", "reduction"]}
      ins(%x, %w : tensor<2x12x13x8xf32>, tensor<3x3x8x16xf32>) outs(%init : tensor<2x4x5x16xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %ab : f32
    linalg.yield %next : f32
  } -> tensor<2x4x5x16xf32>
  return %y : tensor<2x4x5x16xf32>
}

// A border of zeros by insertion is padding; a channel for each kernel is depthwise.

// CHECK-LABEL: func.func @padded_depthwise
// CHECK: %[[P:.*]] = tensor.pad %{{.*}} low[0, 1, 1, 0] high[0, 1, 1, 0]
// CHECK: linalg.depthwise_conv_2d_nhwc_hwc
// CHECK-SAME: einnet.operator = "conv2d(kernel=3x3, padding=1x1, groups=8)"
// CHECK-SAME: ins(%[[P]],
func.func @padded_depthwise(%x: tensor<1x6x6x8xf32>, %w: tensor<3x3x8xf32>) -> tensor<1x6x6x8xf32> {
  %zero = arith.constant 0.0 : f32
  %border = tensor.splat %zero : tensor<1x8x8x8xf32>
  %p = tensor.insert_slice %x into %border[0, 1, 1, 0] [1, 6, 6, 8] [1, 1, 1, 1]
      : tensor<1x6x6x8xf32> into tensor<1x8x8x8xf32>
  %init = tensor.splat %zero : tensor<1x6x6x8xf32>
  %y = linalg.generic {
      indexing_maps = [affine_map<(n, h, w, c, r, s) -> (n, h + r, w + s, c)>,
                       affine_map<(n, h, w, c, r, s) -> (r, s, c)>,
                       affine_map<(n, h, w, c, r, s) -> (n, h, w, c)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%p, %w : tensor<1x8x8x8xf32>, tensor<3x3x8xf32>) outs(%init : tensor<1x6x6x8xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %ab : f32
    linalg.yield %next : f32
  } -> tensor<1x6x6x8xf32>
  return %y : tensor<1x6x6x8xf32>
}

// Patches gathered into a matrix, and a product: the convolution reads the image itself.

// CHECK-LABEL: func.func @im2col
// CHECK-SAME: %[[X:.*]]: tensor<2x4x8x8xf32>, %[[W:.*]]: tensor<8x4x3x3xf32>
// CHECK-NOT: tensor<72x36xf32>
// CHECK: %[[C:.*]] = linalg.conv_2d_nchw_fchw
// CHECK-SAME: einnet.label = "p.convolution", einnet.operator = "conv2d(kernel=3x3)"
// CHECK-SAME: ins(%[[X]], %[[W]] :
// CHECK: %[[T:.*]] = linalg.generic {{.*}} ins(%[[C]] : tensor<2x8x6x6xf32>)
// CHECK: tensor.collapse_shape %[[T]] {{\[}}[0, 1, 2], [3]] {einnet.label = "p"}
func.func @im2col(%x: tensor<2x4x8x8xf32>, %w: tensor<8x4x3x3xf32>) -> tensor<2x6x6x8xf32> {
  %e = tensor.empty() : tensor<2x6x6x4x3x3xf32>
  %patches = linalg.generic {
      indexing_maps = [affine_map<(n, h, w, c, r, s) -> (n, c, h + r, w + s)>,
                       affine_map<(n, h, w, c, r, s) -> (n, h, w, c, r, s)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "parallel"]}
      ins(%x : tensor<2x4x8x8xf32>) outs(%e : tensor<2x6x6x4x3x3xf32>) {
  ^bb0(%a: f32, %old: f32):
    linalg.yield %a : f32
  } -> tensor<2x6x6x4x3x3xf32>
  %columns = tensor.collapse_shape %patches [[0, 1, 2], [3, 4, 5]]
      : tensor<2x6x6x4x3x3xf32> into tensor<72x36xf32>
  %k = tensor.collapse_shape %w [[0], [1, 2, 3]] : tensor<8x4x3x3xf32> into tensor<8x36xf32>
  %et = tensor.empty() : tensor<36x8xf32>
  %kt = linalg.transpose ins(%k : tensor<8x36xf32>) outs(%et : tensor<36x8xf32>) permutation = [1, 0]
  %zero = arith.constant dense<0.0> : tensor<72x8xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%columns, %kt : tensor<72x36xf32>, tensor<36x8xf32>)
      outs(%zero : tensor<72x8xf32>) -> tensor<72x8xf32>
  %o = tensor.expand_shape %p [[0, 1, 2], [3]] output_shape [2, 6, 6, 8]
      : tensor<72x8xf32> into tensor<2x6x6x8xf32>
  return %o : tensor<2x6x6x8xf32>
}

// Groups have a name of their own.

// CHECK-LABEL: func.func @grouped
// CHECK: linalg.conv_2d_ngchw_gfchw {{.*}} einnet.operator = "conv2d(kernel=3x3, groups=2)"
func.func @grouped(%x: tensor<1x2x4x9x9xf32>, %w: tensor<2x6x4x3x3xf32>) -> tensor<1x2x6x7x7xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x2x6x7x7xf32>
  %y = linalg.generic {
      indexing_maps = [affine_map<(n, g, f, h, w, c, r, s) -> (n, g, c, h + r, w + s)>,
                       affine_map<(n, g, f, h, w, c, r, s) -> (g, f, c, r, s)>,
                       affine_map<(n, g, f, h, w, c, r, s) -> (n, g, f, h, w)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel",
                        "reduction", "reduction", "reduction"]}
      ins(%x, %w : tensor<1x2x4x9x9xf32>, tensor<2x6x4x3x3xf32>) outs(%zero : tensor<1x2x6x7x7xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %ab : f32
    linalg.yield %next : f32
  } -> tensor<1x2x6x7x7xf32>
  return %y : tensor<1x2x6x7x7xf32>
}

// Neither a product nor a convolution that has its name is touched.

// CHECK-LABEL: func.func @left_alone
// CHECK: linalg.matmul ins(
// CHECK: linalg.conv_1d_nwc_wcf
// CHECK-NOT: einnet.operator
// CHECK: return
func.func @left_alone(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>, %x: tensor<1x9x4xf32>,
    %w: tensor<3x4x2xf32>) -> (tensor<4x6xf32>, tensor<1x7x2xf32>) {
  %z0 = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>) outs(%z0 : tensor<4x6xf32>) -> tensor<4x6xf32>
  %z1 = arith.constant dense<0.0> : tensor<1x7x2xf32>
  %c = linalg.conv_1d_nwc_wcf ins(%x, %w : tensor<1x9x4xf32>, tensor<3x4x2xf32>)
      outs(%z1 : tensor<1x7x2xf32>) -> tensor<1x7x2xf32>
  return %p, %c : tensor<4x6xf32>, tensor<1x7x2xf32>
}
