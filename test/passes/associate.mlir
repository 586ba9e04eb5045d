// RUN: einnet-opt %s --einnet-associate | FileCheck %s

// The product of the weights comes first: it is computed once.

// CHECK-LABEL: func.func @f
// CHECK-SAME: %[[X:.*]]: tensor<1024x32xf32>, %[[A:.*]]: tensor<32x1024xf32> {{.*}}, %[[B:.*]]: tensor<1024x32xf32>
// CHECK: %[[AB:.*]] = linalg.generic
// CHECK-SAME: ins(%[[A]], %[[B]] :
// CHECK-SAME: einnet.label = "p.product"
// CHECK: -> tensor<32x32xf32>
// CHECK: %[[OUT:.*]] = linalg.generic
// CHECK-SAME: ins(%[[AB]], %[[X]] :
// CHECK-SAME: einnet.label = "p"
// CHECK: return %[[OUT]]
func.func @f(%x: tensor<1024x32xf32>, %a: tensor<32x1024xf32> {einnet.weight = "a"},
             %b: tensor<1024x32xf32> {einnet.weight = "b"})
    -> tensor<1024x32xf32> {
  %zero = arith.constant dense<0.0> : tensor<1024x32xf32>
  %p = linalg.generic {
      indexing_maps = [affine_map<(m, p, k, n) -> (m, k)>, affine_map<(m, p, k, n) -> (k, n)>,
                       affine_map<(m, p, k, n) -> (n, p)>, affine_map<(m, p, k, n) -> (m, p)>],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %a, %b : tensor<1024x32xf32>, tensor<32x1024xf32>, tensor<1024x32xf32>)
      outs(%zero : tensor<1024x32xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%u: f32, %v: f32, %w: f32, %sum: f32):
    %uv = arith.mulf %u, %v : f32
    %uvw = arith.mulf %uv, %w : f32
    %next = arith.addf %sum, %uvw : f32
    linalg.yield %next : f32
  } -> tensor<1024x32xf32>
  return %p : tensor<1024x32xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
