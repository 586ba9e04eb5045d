// RUN: einnet-opt %s --einnet-split-product="factors=1,2" | FileCheck %s

// The product of three matrices as A (B C).

// CHECK-LABEL: func.func @f
// CHECK-SAME: %[[A:.*]]: tensor<24x20xf32>, %[[B:.*]]: tensor<20x28xf32>, %[[C:.*]]: tensor<28x32xf32>
// CHECK: %[[BC:.*]] = linalg.generic
// CHECK-SAME: ins(%[[B]], %[[C]] :
// CHECK-SAME: einnet.label = "p.inner"
// CHECK: %[[ABC:.*]] = linalg.generic
// CHECK-SAME: ins(%[[BC]], %[[A]] :
// CHECK-SAME: einnet.label = "p"
// CHECK: return %[[ABC]]
func.func @f(%a: tensor<24x20xf32>, %v: tensor<20x28xf32>, %c: tensor<28x32xf32>)
    -> tensor<24x32xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x32xf32>
  %p = linalg.generic {
      indexing_maps = [affine_map<(m, p, k, n) -> (m, k)>, affine_map<(m, p, k, n) -> (k, n)>,
                       affine_map<(m, p, k, n) -> (n, p)>, affine_map<(m, p, k, n) -> (m, p)>],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%a, %v, %c : tensor<24x20xf32>, tensor<20x28xf32>, tensor<28x32xf32>)
      outs(%zero : tensor<24x32xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%x: f32, %y: f32, %z: f32, %sum: f32):
    %xy = arith.mulf %x, %y : f32
    %xyz = arith.mulf %xy, %z : f32
    %next = arith.addf %sum, %xyz : f32
    linalg.yield %next : f32
  } -> tensor<24x32xf32>
  return %p : tensor<24x32xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
