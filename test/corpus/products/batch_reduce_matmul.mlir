// linalg.batch_reduce_matmul: the batch is summed too. Typed by hand.
// OPTIMIZED @plain @accumulated

func.func @plain(%a: tensor<3x7x9xf32>, %b: tensor<3x9x5xf32>) -> tensor<7x5xf32> {
  %f = arith.constant dense<0.0> : tensor<7x5xf32>
  %0 = linalg.batch_reduce_matmul ins(%a, %b : tensor<3x7x9xf32>, tensor<3x9x5xf32>) outs(%f : tensor<7x5xf32>) -> tensor<7x5xf32>
  return %0 : tensor<7x5xf32>
}

func.func @accumulated(%a: tensor<3x7x9xf64>, %b: tensor<3x9x5xf64>, %c: tensor<7x5xf64>) -> tensor<7x5xf64> {
  %0 = linalg.batch_reduce_matmul ins(%a, %b : tensor<3x7x9xf64>, tensor<3x9x5xf64>) outs(%c : tensor<7x5xf64>) -> tensor<7x5xf64>
  return %0 : tensor<7x5xf64>
}
