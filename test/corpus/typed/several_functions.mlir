// Several functions that call each other, private ones, declarations, results that nobody uses,
// several results, the same result twice, arguments returned as they are, attributes everywhere.
// Typed by hand.
// OPTIMIZED @square @main @twice @one_of_two_used
// CHECK-LABEL: func.func private @square
// CHECK-SAME: test.argument = 1 : i32
// CHECK-SAME: -> (tensor<6x6xf32> {test.result = "r"})
// CHECK-SAME: test.function
// CHECK-LABEL: func.func @main
// CHECK: call @square
// CHECK: call @square

func.func private @square(%a: tensor<6x6xf32> {test.argument = 1 : i32}) -> (tensor<6x6xf32> {test.result = "r"}) attributes {test.function} {
  %z = arith.constant dense<0.0> : tensor<6x6xf32>
  %0 = linalg.matmul ins(%a, %a : tensor<6x6xf32>, tensor<6x6xf32>) outs(%z : tensor<6x6xf32>) -> tensor<6x6xf32>
  return %0 : tensor<6x6xf32>
}

func.func @main(%a: tensor<6x6xf32>, %b: tensor<6x5xf32>) -> (tensor<6x5xf32>, tensor<6x6xf32>) {
  %0 = call @square(%a) : (tensor<6x6xf32>) -> tensor<6x6xf32>
  %1 = call @square(%0) : (tensor<6x6xf32>) -> tensor<6x6xf32>
  %z = arith.constant dense<0.0> : tensor<6x5xf32>
  %2 = linalg.matmul ins(%1, %b : tensor<6x6xf32>, tensor<6x5xf32>) outs(%z : tensor<6x5xf32>) -> tensor<6x5xf32>
  return %2, %0 : tensor<6x5xf32>, tensor<6x6xf32>
}

func.func @twice(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>, %unused: tensor<3xf32>) -> (tensor<4x5xf32>, tensor<4x5xf32>, tensor<4x6xf32>) {
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %dead = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %0, %0, %a : tensor<4x5xf32>, tensor<4x5xf32>, tensor<4x6xf32>
}

// One operation, two results, one of them a sum.
func.func @two_results(%a: tensor<7x5xf32>) -> (tensor<7xf32>, tensor<7xf32>) {
  %z = arith.constant dense<0.0> : tensor<7xf32>
  %m = arith.constant dense<0xFF800000> : tensor<7xf32>
  %0:2 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}
      ins(%a : tensor<7x5xf32>) outs(%z, %m : tensor<7xf32>, tensor<7xf32>) {
  ^bb0(%x: f32, %s: f32, %t: f32):
    %p = arith.addf %s, %x : f32
    %q = arith.maximumf %t, %x : f32
    linalg.yield %p, %q : f32, f32
  } -> (tensor<7xf32>, tensor<7xf32>)
  return %0#0, %0#1 : tensor<7xf32>, tensor<7xf32>
}

func.func @one_of_two_used(%a: tensor<7x5xf32>, %b: tensor<7x5xf32>) -> tensor<7xf32> {
  %z = arith.constant dense<0.0> : tensor<7xf32>
  %0:2 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}
      ins(%a, %b : tensor<7x5xf32>, tensor<7x5xf32>) outs(%z, %z : tensor<7xf32>, tensor<7xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32, %t: f32):
    %m = arith.mulf %x, %y : f32
    %p = arith.addf %s, %m : f32
    %q = arith.addf %t, %x : f32
    linalg.yield %p, %q : f32, f32
  } -> (tensor<7xf32>, tensor<7xf32>)
  return %0#0 : tensor<7xf32>
}
