// Products beside operations with effects, and values in scopes that must keep their order: calls,
// prints, stores into memrefs, bufferization ops, materialized casts, asserts. Typed by hand.
// OPTIMIZED @with_a_store @beside_an_assert @in_the_branch_too
// LEFT ALONE @printing: vector.print writes to the output
// CHECK-LABEL: func.func @with_a_store
// CHECK: memref.store
// CHECK-LABEL: func.func @beside_an_assert
// CHECK: cf.assert
// CHECK-LABEL: func.func @in_the_branch_too
// CHECK: scf.if
// CHECK: linalg.matmul

func.func @with_a_store(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> (tensor<4x5xf32>, tensor<2xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %buffer = memref.alloca() : memref<2xf32>
  %first = tensor.extract %a[%c0, %c1] : tensor<4x6xf32>
  memref.store %first, %buffer[%c0] : memref<2xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  %second = tensor.extract %0[%c0, %c1] : tensor<4x5xf32>
  memref.store %second, %buffer[%c1] : memref<2xf32>
  %l0 = memref.load %buffer[%c0] : memref<2xf32>
  %l1 = memref.load %buffer[%c1] : memref<2xf32>
  %t = tensor.from_elements %l0, %l1 : tensor<2xf32>
  return %0, %t : tensor<4x5xf32>, tensor<2xf32>
}

func.func @beside_an_assert(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>, %i: tensor<index>) -> tensor<4x5xf32> {
  %n = tensor.extract %i[] : tensor<index>
  %c4 = arith.constant 4 : index
  %ok = arith.cmpi ult, %n, %c4 : index
  cf.assert %ok, "the index is outside"
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

func.func @in_the_branch_too(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>, %i: tensor<index>) -> tensor<4x5xf32> {
  %n = tensor.extract %i[] : tensor<index>
  %c1 = arith.constant 1 : index
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  %less = arith.cmpi ult, %n, %c1 : index
  %1 = scf.if %less -> (tensor<4x5xf32>) {
    %2 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%0 : tensor<4x5xf32>) -> tensor<4x5xf32>
    scf.yield %2 : tensor<4x5xf32>
  } else {
    scf.yield %0 : tensor<4x5xf32>
  }
  return %1 : tensor<4x5xf32>
}

func.func @printing(%a: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %x = tensor.extract %a[%c0] : tensor<4xf32>
  vector.print %x : f32
  return %a : tensor<4xf32>
}
