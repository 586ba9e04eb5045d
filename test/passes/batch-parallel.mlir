// RUN: einnet-opt %s --einnet-batch-parallel | FileCheck %s

// Two products as one of stacked matrices.

// CHECK-LABEL: func.func @f
// CHECK: %[[LEFT:.*]] = linalg.generic
// CHECK-SAME: einnet.label = "p+q.operand"
// CHECK: -> tensor<2x24x20xf32>
// CHECK: %[[RIGHT:.*]] = linalg.generic
// CHECK-SAME: einnet.label = "p+q.operand0"
// CHECK: -> tensor<2x20x28xf32>
// CHECK: %[[BOTH:.*]] = linalg.generic
// CHECK-SAME: ins(%[[LEFT]], %[[RIGHT]] :
// CHECK-SAME: einnet.label = "p+q"
// CHECK: tensor.extract_slice %[[BOTH]][0, 0, 0] [1, 24, 28]
// CHECK: %[[P:.*]] = tensor.collapse_shape {{.*}} {einnet.label = "p"}
// CHECK: tensor.extract_slice %[[BOTH]][1, 0, 0] [1, 24, 28]
// CHECK: %[[Q:.*]] = tensor.collapse_shape {{.*}} {einnet.label = "q"}
// CHECK: return %[[P]], %[[Q]]
func.func @f(%a: tensor<24x20xf32>, %v: tensor<20x28xf32>, %b: tensor<24x20xf32>,
             %w: tensor<20x28xf32>) -> (tensor<24x28xf32>, tensor<24x28xf32>) {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %v : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  %q = linalg.matmul {einnet.label = "q"} ins(%b, %w : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  return %p, %q : tensor<24x28xf32>, tensor<24x28xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
