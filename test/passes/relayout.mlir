// RUN: einnet-opt %s --einnet-relayout="factor=0 order=d0,d1,d2,d4,d5,d6" | FileCheck %s

// im2col.

// CHECK-LABEL: func.func @f
// CHECK-SAME: %[[X:.*]]: tensor<1x10x10x8xf32>, %[[W:.*]]: tensor<3x3x8x16xf32>
// CHECK: %[[COLUMNS:.*]] = linalg.generic
// CHECK-SAME: ins(%[[X]] :
// CHECK-SAME: einnet.label = "p.inner"
// CHECK: -> tensor<1x8x8x3x3x8xf32>
// CHECK: %[[OUT:.*]] = linalg.generic
// CHECK-SAME: ins(%[[COLUMNS]], %[[W]] :
// CHECK-SAME: einnet.label = "p"
// CHECK: return %[[OUT]]
func.func @f(%x: tensor<1x10x10x8xf32>, %w: tensor<3x3x8x16xf32>) -> tensor<1x8x8x16xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x8x8x16xf32>
  %p = linalg.conv_2d_nhwc_hwcf {einnet.label = "p"}
      ins(%x, %w : tensor<1x10x10x8xf32>, tensor<3x3x8x16xf32>)
      outs(%zero : tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32>
  return %p : tensor<1x8x8x16xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
