// RUN: einnet-opt %s --einnet-eliminate-guard | FileCheck %s

// Of two points of the window, only one is on the grid.

// CHECK-LABEL: func.func @f
// CHECK-SAME: %[[X:.*]]: tensor<16xf32>, %[[W:.*]]: tensor<2xf32>
// CHECK: %[[OUT:.*]] = linalg.generic
// CHECK-SAME: iterator_types = ["parallel"]
// CHECK-SAME: einnet.label = "p"
// CHECK-NOT: arith.select
// CHECK: return %[[OUT]]
func.func @f(%x: tensor<16xf32>, %w: tensor<2xf32>) -> tensor<32xf32> {
  %empty = tensor.empty() : tensor<32xf32>
  %zero = arith.constant 0.0 : f32
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<32xf32>) -> tensor<32xf32>
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %p = linalg.generic {
      indexing_maps = [affine_map<(i, r) -> (r)>, affine_map<(i, r) -> (i)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%w : tensor<2xf32>) outs(%init : tensor<32xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%k: f32, %sum: f32):
    %i = linalg.index 0 : index
    %r = linalg.index 1 : index
    %d = arith.subi %i, %r : index
    %rest = arith.remsi %d, %c2 : index
    %even = arith.cmpi eq, %rest, %c0 : index
    %positive = arith.cmpi sge, %d, %c0 : index
    %inside = arith.andi %even, %positive : i1
    %half = arith.divsi %d, %c2 : index
    %place = arith.select %inside, %half, %c0 : index
    %element = tensor.extract %x[%place] : tensor<16xf32>
    %product = arith.mulf %element, %k : f32
    %value = arith.select %inside, %product, %zero : f32
    %next = arith.addf %sum, %value : f32
    linalg.yield %next : f32
  } -> tensor<32xf32>
  return %p : tensor<32xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
