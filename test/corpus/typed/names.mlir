// Names that need quotes, that look like einnet's own, and labels and locations given by others.
// Typed by hand.
// CHECK: func.func @"a name with spaces, and @signs"
// CHECK: func.func @prepare
// CHECK: func.func @calls_prepare
// CHECK: call @prepare
// CHECK: func.func @labelled
// OPTIMIZED @prepare @calls_prepare @labelled
module @"a module" {
  func.func @"a name with spaces, and @signs"(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {
    %z = arith.constant dense<0.0> : tensor<4x5xf32>
    %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
    return %0 : tensor<4x5xf32>
  }
  func.func @prepare(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {
    %z = arith.constant dense<0.0> : tensor<4x5xf32>
    %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
    return %0 : tensor<4x5xf32>
  }
  func.func @calls_prepare(%a: tensor<4x6xf32>, %b: tensor<6x4xf32>) -> tensor<4x4xf32> {
    %c = tensor.pad %b low[0, 0] high[0, 1] {
    ^bb0(%i: index, %j: index):
      %zero = arith.constant 0.0 : f32
      tensor.yield %zero : f32
    } : tensor<6x4xf32> to tensor<6x5xf32>
    %0 = call @prepare(%a, %c) : (tensor<4x6xf32>, tensor<6x5xf32>) -> tensor<4x5xf32>
    %z = arith.constant dense<0.0> : tensor<4x4xf32>
    %s = tensor.extract_slice %c[0, 0] [5, 4] [1, 1] : tensor<6x5xf32> to tensor<5x4xf32>
    %1 = linalg.matmul ins(%0, %s : tensor<4x5xf32>, tensor<5x4xf32>) outs(%z : tensor<4x4xf32>) -> tensor<4x4xf32>
    return %1 : tensor<4x4xf32>
  }
  func.func @labelled(%v1: tensor<4x6xf32>, %arg0: tensor<6x5xf32>) -> (tensor<4x5xf32>, tensor<4x5xf32>) {
    %z = arith.constant dense<0.0> : tensor<4x5xf32>
    %matmul = linalg.matmul {einnet.label = "p"} ins(%v1, %arg0 : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32> loc("model.py":3:7)
    %p = linalg.matmul {einnet.label = "p", other.label = "q"} ins(%v1, %arg0 : tensor<4x6xf32>, tensor<6x5xf32>) outs(%matmul : tensor<4x5xf32>) -> tensor<4x5xf32> loc("model.py":4:7)
    return %matmul, %p : tensor<4x5xf32>, tensor<4x5xf32>
  }
}
