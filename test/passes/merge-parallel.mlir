// RUN: einnet-opt %s --einnet-merge-parallel | FileCheck %s

// X V and X W as X (V W).

// CHECK-LABEL: func.func @f
// CHECK-SAME: %[[X:.*]]: tensor<24x20xf32>, %[[V:.*]]: tensor<20x28xf32>, %[[W:.*]]: tensor<20x36xf32>
// CHECK: %[[VW:.*]] = linalg.generic
// CHECK-SAME: einnet.label = "p+q.operand"
// CHECK: -> tensor<20x64xf32>
// CHECK: %[[BOTH:.*]] = linalg.generic
// CHECK-SAME: ins(%[[X]], %[[VW]] :
// CHECK-SAME: einnet.label = "p+q"
// CHECK: -> tensor<24x64xf32>
// CHECK: %[[P:.*]] = tensor.extract_slice %[[BOTH]][0, 0] [24, 28] [1, 1] {einnet.label = "p"}
// CHECK: %[[Q:.*]] = tensor.extract_slice %[[BOTH]][0, 28] [24, 36] [1, 1] {einnet.label = "q"}
// CHECK: return %[[P]], %[[Q]]
func.func @f(%x: tensor<24x20xf32>, %v: tensor<20x28xf32>, %w: tensor<20x36xf32>)
    -> (tensor<24x28xf32>, tensor<24x36xf32>) {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %zero1 = arith.constant dense<0.0> : tensor<24x36xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%x, %v : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%x, %w : tensor<24x20xf32>, tensor<20x36xf32>)
      outs(%zero1 : tensor<24x36xf32>) -> tensor<24x36xf32>
  return %p, %q : tensor<24x28xf32>, tensor<24x36xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
