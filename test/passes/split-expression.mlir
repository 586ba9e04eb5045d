// RUN: einnet-opt %s --einnet-split-expression="iterator=d1 at=32" | FileCheck %s

// Thirty-two columns and the three that are left.

// CHECK-LABEL: func.func @f
// CHECK: %[[LOW:.*]] = linalg.generic
// CHECK-SAME: einnet.label = "p.part"
// CHECK: -> tensor<24x32xf32>
// CHECK: %[[HIGH:.*]] = linalg.generic
// CHECK-SAME: einnet.label = "p.part0"
// CHECK: -> tensor<24x3xf32>
// CHECK: %[[OUT:.*]] = linalg.generic
// CHECK-SAME: einnet.label = "p"
// CHECK: return %[[OUT]]
func.func @f(%a: tensor<24x20xf32>, %b: tensor<20x35xf32>) -> tensor<24x35xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x35xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<24x20xf32>, tensor<20x35xf32>)
      outs(%zero : tensor<24x35xf32>) -> tensor<24x35xf32>
  return %p : tensor<24x35xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
