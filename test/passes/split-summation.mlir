// RUN: einnet-opt %s --einnet-split-summation="label=p iterators=d3" | FileCheck %s
// RUN: einnet-opt %s --einnet-split-summation="label=p iterators=d2" | FileCheck %s --check-prefix=RIGHT
// RUN: einnet-opt %s --einnet-split-summation="label=q iterators=d2,d3" | FileCheck %s --check-prefix=ALL

// The product of three matrices: (A B) C with the sum over n outside, A (B C) with that over k.

// CHECK-DAG: #[[MK:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[KN:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-DAG: #[[MN:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>

// CHECK-LABEL: func.func @triple_product
// CHECK-SAME: %[[A:.*]]: tensor<24x20xf32>, %[[B:.*]]: tensor<20x28xf32>, %[[C:.*]]: tensor<28x32xf32>
// CHECK: %[[AB:.*]] = linalg.generic {indexing_maps = [#[[MK]], #[[KN]], #[[MN]]]
// CHECK-SAME: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK-SAME: ins(%[[A]], %[[B]] :
// CHECK-SAME: einnet.label = "p.inner"
// CHECK: -> tensor<24x28xf32>
// CHECK: %[[ABC:.*]] = linalg.generic {indexing_maps = [#[[MK]], #[[KN]], #[[MN]]]
// CHECK-SAME: ins(%[[AB]], %[[C]] :
// CHECK-SAME: einnet.label = "p"
// CHECK: return %[[ABC]]

// RIGHT-LABEL: func.func @triple_product
// RIGHT-SAME: %[[A:.*]]: tensor<24x20xf32>, %[[B:.*]]: tensor<20x28xf32>, %[[C:.*]]: tensor<28x32xf32>
// RIGHT: %[[BC:.*]] = linalg.generic
// RIGHT-SAME: ins(%[[B]], %[[C]] :
// RIGHT-SAME: einnet.label = "p.inner"
// RIGHT: %[[ABC:.*]] = linalg.generic
// RIGHT-SAME: ins({{.*}}%[[BC]]
// RIGHT-SAME: einnet.label = "p"
// RIGHT: return %[[ABC]]
func.func @triple_product(%A: tensor<24x20xf32>, %B: tensor<20x28xf32>, %C: tensor<28x32xf32>)
    -> tensor<24x32xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<24x32xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<24x32xf32>) -> tensor<24x32xf32>
  %product = linalg.generic {
      indexing_maps = [affine_map<(m, p, k, n) -> (m, k)>, affine_map<(m, p, k, n) -> (k, n)>,
                       affine_map<(m, p, k, n) -> (n, p)>, affine_map<(m, p, k, n) -> (m, p)>],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%A, %B, %C : tensor<24x20xf32>, tensor<20x28xf32>, tensor<28x32xf32>)
      outs(%init : tensor<24x32xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%a: f32, %b: f32, %c: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %abc = arith.mulf %ab, %c : f32
    %next = arith.addf %sum, %abc : f32
    linalg.yield %next : f32
  } -> tensor<24x32xf32>
  return %product : tensor<24x32xf32>
}

// Loops are counted as linalg does, whatever the order of the result's dimensions: d2 and d3 are
// all the sums, so the product goes where the sum was. The initial value is added at the end.

// ALL-LABEL: func.func @transposed
// ALL-SAME: %[[A:.*]]: tensor<18x20x22xf32>, %[[B:.*]]: tensor<20x22x26xf32>, %[[INIT:.*]]: tensor<26x18xf32>
// ALL: %[[PRODUCTS:.*]] = linalg.generic
// ALL-SAME: iterator_types = ["parallel", "parallel", "parallel", "parallel"]
// ALL-SAME: ins(%[[A]], %[[B]] :
// ALL-SAME: einnet.label = "q.inner"
// ALL: -> tensor<26x18x20x22xf32>
// ALL: %[[SUM:.*]] = linalg.generic
// ALL-SAME: ins(%[[PRODUCTS]] :
// ALL-SAME: einnet.label = "q"
// ALL: %[[TOTAL:.*]] = linalg.generic
// ALL-SAME: ins({{.*}}%[[INIT]]{{.*}} :
// ALL-SAME: einnet.label = "q.initial"
// ALL: return %[[TOTAL]]
func.func @transposed(%A: tensor<18x20x22xf32>, %B: tensor<20x22x26xf32>, %init: tensor<26x18xf32>)
    -> tensor<26x18xf32> {
  %product = linalg.generic {
      indexing_maps = [affine_map<(m, n, k, l) -> (m, k, l)>, affine_map<(m, n, k, l) -> (k, l, n)>,
                       affine_map<(m, n, k, l) -> (n, m)>],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%A, %B : tensor<18x20x22xf32>, tensor<20x22x26xf32>)
      outs(%init : tensor<26x18xf32>) attrs = {einnet.label = "q"} {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ab = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %ab : f32
    linalg.yield %next : f32
  } -> tensor<26x18xf32>
  return %product : tensor<26x18xf32>
}
