// RUN: einnet-opt %s --einnet-distribute | FileCheck %s

// (A + B) W as A W + B W, in one operation.

// CHECK-LABEL: func.func @f
// CHECK-SAME: %[[A:.*]]: tensor<24x20xf32>, %[[B:.*]]: tensor<24x20xf32>, %[[W:.*]]: tensor<20x28xf32>
// CHECK-NOT: linalg.add
// CHECK: %[[OUT:.*]] = linalg.generic
// CHECK-SAME: ins(%[[A]], %[[W]], %[[B]] :
// CHECK-SAME: einnet.label = "p"
// CHECK: arith.mulf
// CHECK: arith.mulf
// CHECK: return %[[OUT]]
func.func @f(%a: tensor<24x20xf32>, %b: tensor<24x20xf32>, %w: tensor<20x28xf32>)
    -> tensor<24x28xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %empty = tensor.empty() : tensor<24x20xf32>
  %s = linalg.add {einnet.label = "s"} ins(%a, %b : tensor<24x20xf32>, tensor<24x20xf32>)
      outs(%empty : tensor<24x20xf32>) -> tensor<24x20xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%s, %w : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  return %p : tensor<24x28xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
