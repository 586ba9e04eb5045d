// RUN: einnet-opt %s --einnet-tighten | FileCheck %s

// What is not always 0 is 32 elements of 48.

// CHECK-LABEL: func.func @f
// CHECK-SAME: %[[X:.*]]: tensor<32xf32>
// CHECK: %[[SQUARE:.*]] = linalg.generic
// CHECK-SAME: ins(%[[X]] :
// CHECK-SAME: einnet.label = "p.inner"
// CHECK: -> tensor<32xf32>
// CHECK: %[[OUT:.*]] = linalg.generic
// CHECK-SAME: einnet.label = "p"
// CHECK: tensor.extract %[[SQUARE]]
// CHECK: -> tensor<48xf32>
// CHECK: return %[[OUT]]
func.func @f(%x: tensor<32xf32>) -> tensor<48xf32> {
  %empty = tensor.empty() : tensor<48xf32>
  %zero = arith.constant 0.0 : f32
  %c8 = arith.constant 8 : index
  %c40 = arith.constant 40 : index
  %p = linalg.generic {
      indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      outs(%empty : tensor<48xf32>) attrs = {einnet.label = "p"} {
  ^bb0(%old: f32):
    %i = linalg.index 0 : index
    %low = arith.cmpi sge, %i, %c8 : index
    %high = arith.cmpi slt, %i, %c40 : index
    %inside = arith.andi %low, %high : i1
    %shifted = arith.subi %i, %c8 : index
    %place = arith.select %inside, %shifted, %c8 : index
    %element = tensor.extract %x[%place] : tensor<32xf32>
    %square = arith.mulf %element, %element : f32
    %value = arith.select %inside, %square, %zero : f32
    linalg.yield %value : f32
  } -> tensor<48xf32>
  return %p : tensor<48xf32>
}

// What does not qualify is left as it is.

// CHECK-LABEL: func.func @left_alone
// CHECK-NEXT: linalg.exp
// CHECK-NEXT: return
func.func @left_alone(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %y = linalg.exp ins(%x : tensor<?x6xf32>) outs(%x : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}
