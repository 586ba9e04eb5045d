// RUN: einnet-opt %s --einnet-unit-factor | FileCheck %s

// A sum over windows as a convolution with ones.

// CHECK-LABEL: func.func @f
// CHECK-SAME: %[[X:.*]]: tensor<1x8x16x16xf32>
// CHECK: %[[ONES:.*]] = linalg.generic
// CHECK-SAME: einnet.label = "p.ones"
// CHECK: -> tensor<2x2xf32>
// CHECK: %[[OUT:.*]] = linalg.generic
// CHECK-SAME: ins(%[[X]], %[[ONES]] :
// CHECK-SAME: einnet.label = "p"
// CHECK: return %[[OUT]]
func.func @f(%x: tensor<1x8x16x16xf32>) -> tensor<1x8x15x15xf32> {
  %window = tensor.empty() : tensor<2x2xf32>
  %zero = arith.constant dense<0.0> : tensor<1x8x15x15xf32>
  %p = linalg.pooling_nchw_sum {einnet.label = "p"}
      ins(%x, %window : tensor<1x8x16x16xf32>, tensor<2x2xf32>)
      outs(%zero : tensor<1x8x15x15xf32>) -> tensor<1x8x15x15xf32>
  return %p : tensor<1x8x15x15xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
