// RUN: einnet-opt %s --einnet-fuse | FileCheck %s

// The transposed product is computed as such.

// CHECK-LABEL: func.func @f
// CHECK-SAME: %[[A:.*]]: tensor<24x20xf32>, %[[B:.*]]: tensor<20x28xf32>
// CHECK-NOT: einnet.label = "p"
// CHECK: %[[OUT:.*]] = linalg.generic
// CHECK-SAME: ins(%[[A]], %[[B]] :
// CHECK-SAME: einnet.label = "t"
// CHECK: -> tensor<28x24xf32>
// CHECK: return %[[OUT]]
func.func @f(%a: tensor<24x20xf32>, %b: tensor<20x28xf32>) -> tensor<28x24xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %empty = tensor.empty() : tensor<28x24xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  %t = linalg.transpose ins(%p : tensor<24x28xf32>) outs(%empty : tensor<28x24xf32>)
      permutation = [1, 0] {einnet.label = "t"}
  return %t : tensor<28x24xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
