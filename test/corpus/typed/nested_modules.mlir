// Modules in a module, with functions of the same names. Those inside stay. Typed by hand.
// OPTIMIZED @main
// CHECK-LABEL: func.func @main
// CHECK: einnet.library = "blas"
// CHECK: module @inner attributes {test.inner} {
// CHECK: func.func @main
// CHECK-NOT: einnet
// CHECK: module {
// CHECK: func.func @main
// CHECK-NOT: einnet
module @outer attributes {test.outer = "kept"} {
  func.func @main(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {
    %z = arith.constant dense<0.0> : tensor<4x5xf32>
    %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
    return %0 : tensor<4x5xf32>
  }
  module @inner attributes {test.inner} {
    func.func @main(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {
      %z = arith.constant dense<0.0> : tensor<4x5xf32>
      %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
      return %0 : tensor<4x5xf32>
    }
    module {
      func.func @main(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {
        %z = arith.constant dense<0.0> : tensor<4x5xf32>
        %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
        return %0 : tensor<4x5xf32>
      }
    }
  }
}
