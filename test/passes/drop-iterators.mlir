// RUN: einnet-opt %s --einnet-drop-iterators | FileCheck %s

// A 1x1 convolution of one image has four loops.

// CHECK-LABEL: func.func @f
// CHECK: %[[INNER:.*]] = linalg.generic
// CHECK-SAME: iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// CHECK-SAME: einnet.label = "p.inner"
// CHECK: -> tensor<16x14x14xf32>
// CHECK: %[[OUT:.*]] = tensor.expand_shape %[[INNER]] {{.*}} {einnet.label = "p"}
// CHECK: return %[[OUT]]
func.func @f(%x: tensor<1x8x14x14xf32>, %w: tensor<16x8x1x1xf32>) -> tensor<1x16x14x14xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x16x14x14xf32>
  %p = linalg.conv_2d_nchw_fchw {einnet.label = "p"}
      ins(%x, %w : tensor<1x8x14x14xf32>, tensor<16x8x1x1xf32>)
      outs(%zero : tensor<1x16x14x14xf32>) -> tensor<1x16x14x14xf32>
  return %p : tensor<1x16x14x14xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
