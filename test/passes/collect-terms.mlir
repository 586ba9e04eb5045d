// RUN: einnet-opt %s --einnet-collect-terms | FileCheck %s

// A W + B W as (A + B) W.

// CHECK-LABEL: func.func @f
// CHECK-SAME: %[[A:.*]]: tensor<24x20xf32>, %[[B:.*]]: tensor<24x20xf32>, %[[W:.*]]: tensor<20x28xf32>
// CHECK: %[[SUM:.*]] = linalg.generic
// CHECK-SAME: ins(%[[A]], %[[B]] :
// CHECK-SAME: einnet.label = "p.sum"
// CHECK: %[[OUT:.*]] = linalg.generic
// CHECK-SAME: ins(%[[SUM]], %[[W]] :
// CHECK-SAME: einnet.label = "p"
// CHECK: return %[[OUT]]
func.func @f(%a: tensor<24x20xf32>, %b: tensor<24x20xf32>, %w: tensor<20x28xf32>)
    -> tensor<24x28xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %p = linalg.generic {
      indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (m, k)>,
                       affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b, %w : tensor<24x20xf32>, tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%x: f32, %y: f32, %z: f32, %sum: f32):
    %xz = arith.mulf %x, %z : f32
    %yz = arith.mulf %y, %z : f32
    %both = arith.addf %xz, %yz : f32
    %next = arith.addf %sum, %both : f32
    linalg.yield %next : f32
  } -> tensor<24x28xf32>
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
