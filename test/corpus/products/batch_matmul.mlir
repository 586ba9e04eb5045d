// linalg.batch_matmul in its forms: plain, transposed by indexing maps, one operand without a batch,
// half precision summed in single. Typed by hand.
// OPTIMIZED @plain @transposed_b @transposed_a @shared_b

func.func @plain(%a: tensor<3x7x9xf32>, %b: tensor<3x9x5xf32>) -> tensor<3x7x5xf32> {
  %f = arith.constant dense<0.0> : tensor<3x7x5xf32>
  %0 = linalg.batch_matmul ins(%a, %b : tensor<3x7x9xf32>, tensor<3x9x5xf32>) outs(%f : tensor<3x7x5xf32>) -> tensor<3x7x5xf32>
  return %0 : tensor<3x7x5xf32>
}

func.func @transposed_b(%a: tensor<3x7x9xf32>, %b: tensor<3x5x9xf32>) -> tensor<3x7x5xf32> {
  %f = arith.constant dense<0.0> : tensor<3x7x5xf32>
  %0 = linalg.batch_matmul indexing_maps = [affine_map<(b, m, n, k) -> (b, m, k)>,
      affine_map<(b, m, n, k) -> (b, n, k)>, affine_map<(b, m, n, k) -> (b, m, n)>]
      ins(%a, %b : tensor<3x7x9xf32>, tensor<3x5x9xf32>) outs(%f : tensor<3x7x5xf32>) -> tensor<3x7x5xf32>
  return %0 : tensor<3x7x5xf32>
}

func.func @transposed_a(%a: tensor<3x9x7xf32>, %b: tensor<3x9x5xf32>) -> tensor<3x7x5xf32> {
  %f = arith.constant dense<0.0> : tensor<3x7x5xf32>
  %0 = linalg.batch_matmul indexing_maps = [affine_map<(b, m, n, k) -> (b, k, m)>,
      affine_map<(b, m, n, k) -> (b, k, n)>, affine_map<(b, m, n, k) -> (b, m, n)>]
      ins(%a, %b : tensor<3x9x7xf32>, tensor<3x9x5xf32>) outs(%f : tensor<3x7x5xf32>) -> tensor<3x7x5xf32>
  return %0 : tensor<3x7x5xf32>
}

func.func @shared_b(%a: tensor<3x7x9xf32>, %b: tensor<9x5xf32>) -> tensor<3x7x5xf32> {
  %f = arith.constant dense<0.0> : tensor<3x7x5xf32>
  %0 = linalg.batch_matmul indexing_maps = [affine_map<(b, m, n, k) -> (b, m, k)>,
      affine_map<(b, m, n, k) -> (k, n)>, affine_map<(b, m, n, k) -> (b, m, n)>]
      ins(%a, %b : tensor<3x7x9xf32>, tensor<9x5xf32>) outs(%f : tensor<3x7x5xf32>) -> tensor<3x7x5xf32>
  return %0 : tensor<3x7x5xf32>
}

func.func @halves(%a: tensor<3x7x9xf16>, %b: tensor<3x9x5xf16>, %c: tensor<3x7x5xf32>) -> tensor<3x7x5xf32> {
  %0 = linalg.batch_matmul ins(%a, %b : tensor<3x7x9xf16>, tensor<3x9x5xf16>) outs(%c : tensor<3x7x5xf32>) -> tensor<3x7x5xf32>
  return %0 : tensor<3x7x5xf32>
}
