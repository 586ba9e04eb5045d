// linalg.matmul with every combination of transposed operands, as its indexing maps say them since
// MLIR 21, with a broadcast operand and with unsigned widening. Typed by hand.
// OPTIMIZED @plain @transposed_a @transposed_b @both @broadcast @accumulated
// CHECK-LABEL: func.func @plain
// CHECK: linalg.matmul {{.*}}einnet.library = "blas"
// CHECK-LABEL: func.func @transposed_a

func.func @plain(%a: tensor<7x9xf32>, %b: tensor<9x5xf32>) -> tensor<7x5xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<7x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<7x5xf32>) -> tensor<7x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<7x9xf32>, tensor<9x5xf32>) outs(%f : tensor<7x5xf32>) -> tensor<7x5xf32>
  return %0 : tensor<7x5xf32>
}

func.func @transposed_a(%a: tensor<9x7xf32>, %b: tensor<9x5xf32>) -> tensor<7x5xf32> {
  %f = arith.constant dense<0.0> : tensor<7x5xf32>
  %0 = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (k, m)>, affine_map<(m, n, k) -> (k, n)>,
      affine_map<(m, n, k) -> (m, n)>] ins(%a, %b : tensor<9x7xf32>, tensor<9x5xf32>)
      outs(%f : tensor<7x5xf32>) -> tensor<7x5xf32>
  return %0 : tensor<7x5xf32>
}

func.func @transposed_b(%a: tensor<7x9xf32>, %b: tensor<5x9xf32>) -> tensor<7x5xf32> {
  %f = arith.constant dense<0.0> : tensor<7x5xf32>
  %0 = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>,
      affine_map<(m, n, k) -> (m, n)>] ins(%a, %b : tensor<7x9xf32>, tensor<5x9xf32>)
      outs(%f : tensor<7x5xf32>) -> tensor<7x5xf32>
  return %0 : tensor<7x5xf32>
}

func.func @both(%a: tensor<9x7xf32>, %b: tensor<5x9xf32>) -> tensor<7x5xf32> {
  %f = arith.constant dense<0.0> : tensor<7x5xf32>
  %0 = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (k, m)>, affine_map<(m, n, k) -> (n, k)>,
      affine_map<(m, n, k) -> (m, n)>] ins(%a, %b : tensor<9x7xf32>, tensor<5x9xf32>)
      outs(%f : tensor<7x5xf32>) -> tensor<7x5xf32>
  return %0 : tensor<7x5xf32>
}

func.func @broadcast(%a: tensor<9xf32>, %b: tensor<9x5xf32>) -> tensor<7x5xf32> {
  %f = arith.constant dense<0.0> : tensor<7x5xf32>
  %0 = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (k)>, affine_map<(m, n, k) -> (k, n)>,
      affine_map<(m, n, k) -> (m, n)>] ins(%a, %b : tensor<9xf32>, tensor<9x5xf32>)
      outs(%f : tensor<7x5xf32>) -> tensor<7x5xf32>
  return %0 : tensor<7x5xf32>
}

func.func @unsigned(%a: tensor<7x9xi8>, %b: tensor<9x5xi8>, %c: tensor<7x5xi32>) -> tensor<7x5xi32> {
  %0 = linalg.matmul {cast = #linalg.type_fn<cast_unsigned>} ins(%a, %b : tensor<7x9xi8>, tensor<9x5xi8>)
      outs(%c : tensor<7x5xi32>) -> tensor<7x5xi32>
  return %0 : tensor<7x5xi32>
}

func.func @accumulated(%a: tensor<7x9xf32>, %b: tensor<9x5xf32>, %c: tensor<7x5xf32>) -> tensor<7x5xf32> {
  %0 = linalg.matmul ins(%a, %b : tensor<7x9xf32>, tensor<9x5xf32>) outs(%c : tensor<7x5xf32>) -> tensor<7x5xf32>
  return %0 : tensor<7x5xf32>
}
