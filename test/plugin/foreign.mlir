// REQUIRES: plugin
// RUN: %plugin-opt %s --allow-unregistered-dialect --pass-pipeline="builtin.module(einnet-optimize{measure=false python=%python},canonicalize)" | FileCheck %s

// Operations of a dialect that nobody knows stay where they are; what lies between is optimized.

// CHECK: "foreign.global"() {name = "g"} : () -> ()
"foreign.global"() {name = "g"} : () -> ()

// CHECK-LABEL: func.func @between
// CHECK-SAME: einnet.weight = "w"
// CHECK-SAME: attributes {foreign.kept = #foreign.kept}
func.func @between(%x: tensor<1x64x14x14xf32>, %w: tensor<32x64x1x1xf32> {einnet.weight = "w"})
    -> tensor<1x32x14x14xf32> attributes {foreign.kept = #foreign.kept} {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x32x14x14xf32>
  // CHECK: %[[TOKEN:.*]] = "foreign.begin"(%arg0) {mode = #foreign.mode} : (tensor<1x64x14x14xf32>) -> !foreign.token
  %token = "foreign.begin"(%x) {mode = #foreign.mode} : (tensor<1x64x14x14xf32>) -> !foreign.token
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x32x14x14xf32>) -> tensor<1x32x14x14xf32>
  // CHECK: "foreign.look"
  "foreign.look"(%init) : (tensor<1x32x14x14xf32>) -> ()
  // The zeros come from beyond that operation, and still nothing is added to the product.
  // CHECK-NOT: arith.addf
  // CHECK: linalg.matmul {einnet.kernel = [[FIRST:[0-9]+]] : i64, {{.*}}einnet.library = "blas"}
  %y = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x64x14x14xf32>, tensor<32x64x1x1xf32>)
      outs(%init : tensor<1x32x14x14xf32>) -> tensor<1x32x14x14xf32>
  // CHECK: %[[OUT:.*]] = "foreign.region"
  %z = "foreign.region"(%y) ({
  ^bb0(%a: tensor<1x32x14x14xf32>):
    // Kernels of two subprograms are not one kernel.
    // CHECK-NOT: einnet.kernel = [[FIRST]] :
    // CHECK: linalg.matmul {einnet.kernel = {{[0-9]+}} : i64, {{.*}}einnet.library = "blas"}
    // CHECK: %[[SUM:.*]] = linalg.generic
    // CHECK: arith.addf
    %b = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x64x14x14xf32>, tensor<32x64x1x1xf32>)
        outs(%a : tensor<1x32x14x14xf32>) -> tensor<1x32x14x14xf32>
    // CHECK: "foreign.yield"(%[[SUM]], %[[TOKEN]])
    "foreign.yield"(%b, %token) : (tensor<1x32x14x14xf32>, !foreign.token) -> ()
  }) : (tensor<1x32x14x14xf32>) -> tensor<1x32x14x14xf32>
  // CHECK: return %[[OUT]]
  return %z : tensor<1x32x14x14xf32>
}

// What has an attribute that nobody knows is left alone, and so are sizes that nobody knows.

// CHECK-LABEL: func.func @untouched
// CHECK: linalg.matmul {foreign.tag = #foreign.tag}
// CHECK: linalg.matmul ins(%arg2, %arg2 : tensor<?x?xf32>, tensor<?x?xf32>)
func.func @untouched(%a: tensor<4x4xf32>, %c: tensor<4x4xf32>, %d: tensor<?x?xf32>)
    -> (tensor<4x4xf32>, tensor<?x?xf32>) {
  %p = linalg.matmul {foreign.tag = #foreign.tag} ins(%a, %a : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  %q = linalg.matmul ins(%d, %d : tensor<?x?xf32>, tensor<?x?xf32>)
      outs(%d : tensor<?x?xf32>) -> tensor<?x?xf32>
  return %p, %q : tensor<4x4xf32>, tensor<?x?xf32>
}

// One subprogram may go on with the result of another.

// CHECK-LABEL: func.func @chain
// CHECK: %[[FIRST:.*]] = linalg.matmul {{{.*}}einnet.library = "blas"} ins(%arg0, %arg1
// CHECK: "foreign.look"(%[[FIRST]])
// CHECK: %[[SECOND:.*]] = linalg.matmul {{{.*}}einnet.library = "blas"} ins(%[[FIRST]], %arg1
// CHECK: return %[[SECOND]]
func.func @chain(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x4xf32>
  %p = linalg.matmul ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  "foreign.look"(%p) : (tensor<4x4xf32>) -> ()
  %q = linalg.matmul ins(%p, %b : tensor<4x4xf32>, tensor<4x4xf32>)
      outs(%zero : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q : tensor<4x4xf32>
}
