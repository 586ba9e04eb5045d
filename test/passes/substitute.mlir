// RUN: einnet-opt %s --pass-pipeline='builtin.module(einnet-split-summation{label=conv iterators=d3,d4}, \
// RUN:   einnet-substitute{label=conv.inner with="t1=d0+d3,t2=d1+d4"}, \
// RUN:   einnet-merge-traversals{label=conv})' | FileCheck %s
// RUN: einnet-opt %s --einnet-substitute="label=sum with=u=19-d2" | FileCheck %s --check-prefix=SUM

// A convolution as a product over all of the input, and a sum of shifted parts of it: the sum over
// r and s goes outside, and t1 = h + r and t2 = w + s take the places of h and w inside.

// CHECK-DAG: #[[INPUT:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d5)>
// CHECK-DAG: #[[KERNEL:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d3, d4, d5, d2)>

// CHECK-LABEL: func.func @convolution
// CHECK-SAME: %[[IN:.*]]: tensor<10x11x32xf32>, %[[K:.*]]: tensor<3x3x32x16xf32>
// CHECK: %[[PRODUCT:.*]] = linalg.generic {indexing_maps = [#[[INPUT]], #[[KERNEL]],
// CHECK-SAME: iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "reduction"]
// CHECK-SAME: ins(%[[IN]], %[[K]] :
// CHECK-SAME: einnet.label = "conv.inner.inner"
// CHECK: -> tensor<10x11x16x3x3xf32>
// CHECK-NOT: einnet.label = "conv.inner"
// CHECK: %[[OUT:.*]] = linalg.generic
// CHECK-SAME: einnet.label = "conv"
// CHECK-NOT: arith.mulf
// CHECK: -> tensor<8x9x16xf32>
// CHECK: return %[[OUT]]
func.func @convolution(%input: tensor<10x11x32xf32>, %kernel: tensor<3x3x32x16xf32>)
    -> tensor<8x9x16xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<8x9x16xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<8x9x16xf32>) -> tensor<8x9x16xf32>
  %output = linalg.generic {
      indexing_maps = [affine_map<(h, w, f, r, s, c) -> (h + r, w + s, c)>,
                       affine_map<(h, w, f, r, s, c) -> (r, s, c, f)>,
                       affine_map<(h, w, f, r, s, c) -> (h, w, f)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%input, %kernel : tensor<10x11x32xf32>, tensor<3x3x32x16xf32>)
      outs(%init : tensor<8x9x16xf32>) attrs = {einnet.label = "conv"} {
  ^bb0(%x: f32, %k: f32, %sum: f32):
    %xk = arith.mulf %x, %k : f32
    %next = arith.addf %sum, %xk : f32
    linalg.yield %next : f32
  } -> tensor<8x9x16xf32>
  return %output : tensor<8x9x16xf32>
}

// A summation iterator backwards stays in one operation.

// SUM-LABEL: func.func @reflected
// SUM: %[[OUT:.*]] = linalg.generic
// SUM-SAME: iterator_types = ["parallel", "parallel", "reduction"]
// SUM-SAME: einnet.label = "sum"
// SUM-NOT: einnet.label
// SUM: return %[[OUT]]
func.func @reflected(%a: tensor<24x20xf32>, %b: tensor<20x28xf32>) -> tensor<24x28xf32> {
  %zero = arith.constant dense<0.0> : tensor<24x28xf32>
  %out = linalg.matmul {einnet.label = "sum"} ins(%a, %b : tensor<24x20xf32>, tensor<20x28xf32>)
      outs(%zero : tensor<24x28xf32>) -> tensor<24x28xf32>
  return %out : tensor<24x28xf32>
}
