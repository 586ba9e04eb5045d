// RUN: einnet-opt %s --einnet-relax="iterator=d1 range=0:32" | FileCheck %s

// Columns up to 32, a part of which is the result.

// CHECK-LABEL: func.func @f
// CHECK: %[[MORE:.*]] = linalg.generic
// CHECK-SAME: einnet.label = "p.inner"
// CHECK: -> tensor<24x32xf32>
// CHECK: %[[OUT:.*]] = tensor.extract_slice %[[MORE]][0, 0] [24, 30] [1, 1] {einnet.label = "p"}
// CHECK: return %[[OUT]]
func.func @f(%a: tensor<24x27xf32>, %b: tensor<27x30xf32>) -> tensor<24x30xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x30xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<24x27xf32>, tensor<27x30xf32>)
      outs(%zero : tensor<24x30xf32>) -> tensor<24x30xf32>
  return %p : tensor<24x30xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
