// RUN: einnet-opt %s --einnet-merge-traversals=label=product | FileCheck %s
// RUN: einnet-opt %s --einnet-merge-traversals=label=padded | FileCheck %s --check-prefix=PAD
// RUN: einnet-opt %s --einnet-merge-traversals=label=biased -o %t.biased.mlir
// RUN: FileCheck %s --check-prefix=BIASED --input-file=%t.biased.mlir
// RUN: einnet verify %s %t.biased.mlir --entry initial_value | FileCheck %s --check-prefix=EQUAL

// The rows of A times v, then times B: one operation of three operands, and nothing is left over.

// CHECK-DAG: #[[A_MAP:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[V_MAP:.*]] = affine_map<(d0, d1, d2) -> (d0)>
// CHECK-DAG: #[[B_MAP:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>

// CHECK-LABEL: func.func @row_scaled_product
// CHECK-SAME: %[[A:.*]]: tensor<24x20xf32>, %[[V:.*]]: tensor<24xf32>, %[[B:.*]]: tensor<20x32xf32>
// CHECK-NOT: linalg.generic
// CHECK-NOT: tensor<24x20xf32>
// CHECK: %[[OUT:.*]] = linalg.generic {indexing_maps = [#[[A_MAP]], #[[V_MAP]], #[[B_MAP]],
// CHECK-SAME: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK-SAME: ins(%[[A]], %[[V]], %[[B]] :
// CHECK-SAME: einnet.label = "product"
// CHECK: return %[[OUT]]
func.func @row_scaled_product(%A: tensor<24x20xf32>, %v: tensor<24xf32>, %B: tensor<20x32xf32>)
    -> tensor<24x32xf32> {
  %empty = tensor.empty() : tensor<24x20xf32>
  %scaled = linalg.generic {
      indexing_maps = [affine_map<(i, k) -> (i, k)>, affine_map<(i, k) -> (i)>,
                       affine_map<(i, k) -> (i, k)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%A, %v : tensor<24x20xf32>, tensor<24xf32>) outs(%empty : tensor<24x20xf32>) {
  ^bb0(%a: f32, %x: f32, %old: f32):
    %ax = arith.mulf %a, %x : f32
    linalg.yield %ax : f32
  } -> tensor<24x20xf32>
  %zero = arith.constant 0.0 : f32
  %space = tensor.empty() : tensor<24x32xf32>
  %init = linalg.fill ins(%zero : f32) outs(%space : tensor<24x32xf32>) -> tensor<24x32xf32>
  %product = linalg.matmul {einnet.label = "product"}
      ins(%scaled, %B : tensor<24x20xf32>, tensor<20x32xf32>)
      outs(%init : tensor<24x32xf32>) -> tensor<24x32xf32>
  return %product : tensor<24x32xf32>
}

// A padding becomes a condition; it stays for its other user.

// PAD-LABEL: func.func @padded_sum
// PAD-SAME: %[[X:.*]]: tensor<32xf32>
// PAD: %[[P:.*]] = tensor.pad %[[X]]
// PAD: %[[OUT:.*]] = linalg.generic
// PAD-SAME: einnet.label = "padded"
// PAD: tensor.extract %[[X]]
// PAD: return %[[P]], %[[OUT]]
func.func @padded_sum(%x: tensor<32xf32>) -> (tensor<34xf32>, tensor<32xf32>) {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[1] high[1] {
  ^bb0(%i: index):
    tensor.yield %zero : f32
  } : tensor<32xf32> to tensor<34xf32>
  %empty = tensor.empty() : tensor<32xf32>
  %out = linalg.generic {
      indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}
      ins(%x : tensor<32xf32>) outs(%empty : tensor<32xf32>) attrs = {einnet.label = "padded"} {
  ^bb0(%a: f32, %old: f32):
    %i = linalg.index 0 : index
    %before = tensor.extract %padded[%i] : tensor<34xf32>
    %sum = arith.addf %a, %before : f32
    linalg.yield %sum : f32
  } -> tensor<32xf32>
  return %padded, %out : tensor<34xf32>, tensor<32xf32>
}

// What a producer adds to becomes a term; its sum is computed apart.

// EQUAL: equal:
// BIASED-LABEL: func.func @initial_value
// BIASED-SAME: %[[A:.*]]: tensor<4x5xf32>, %[[B:.*]]: tensor<5x6xf32>, %[[C:.*]]: tensor<4x6xf32>
// BIASED: %[[SUM:.*]] = linalg.generic {{.*}} ins(%[[A]], %[[B]] :
// BIASED: %[[OUT:.*]] = linalg.generic {{.*}} ins(%[[C]], %[[SUM]] :
// BIASED-SAME: einnet.label = "biased"
// BIASED: return %[[OUT]]
func.func @initial_value(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>, %c: tensor<4x6xf32>)
    -> tensor<4x6xf32> {
  %product = linalg.matmul ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%c : tensor<4x6xf32>) -> tensor<4x6xf32>
  %empty = tensor.empty() : tensor<4x6xf32>
  %biased = linalg.mul {einnet.label = "biased"} ins(%product, %c : tensor<4x6xf32>, tensor<4x6xf32>)
      outs(%empty : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %biased : tensor<4x6xf32>
}
