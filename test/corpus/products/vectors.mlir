// Products with vectors: matvec, vecmat, dot, and with a batch. Typed by hand.
// OPTIMIZED @matvec @vecmat @dot @dot_from @batch_matvec @batch_vecmat

func.func @matvec(%a: tensor<7x9xf32>, %x: tensor<9xf32>) -> tensor<7xf32> {
  %f = arith.constant dense<0.0> : tensor<7xf32>
  %0 = linalg.matvec ins(%a, %x : tensor<7x9xf32>, tensor<9xf32>) outs(%f : tensor<7xf32>) -> tensor<7xf32>
  return %0 : tensor<7xf32>
}

func.func @vecmat(%x: tensor<7xf32>, %a: tensor<7x9xf32>) -> tensor<9xf32> {
  %f = arith.constant dense<0.0> : tensor<9xf32>
  %0 = linalg.vecmat ins(%x, %a : tensor<7xf32>, tensor<7x9xf32>) outs(%f : tensor<9xf32>) -> tensor<9xf32>
  return %0 : tensor<9xf32>
}

func.func @dot(%x: tensor<37xf32>, %y: tensor<37xf32>) -> tensor<f32> {
  %f = arith.constant dense<0.0> : tensor<f32>
  %0 = linalg.dot ins(%x, %y : tensor<37xf32>, tensor<37xf32>) outs(%f : tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}

func.func @dot_from(%x: tensor<37xf64>, %y: tensor<37xf64>, %z: tensor<f64>) -> tensor<f64> {
  %0 = linalg.dot ins(%x, %y : tensor<37xf64>, tensor<37xf64>) outs(%z : tensor<f64>) -> tensor<f64>
  return %0 : tensor<f64>
}

func.func @batch_matvec(%a: tensor<3x7x9xf32>, %x: tensor<3x9xf32>) -> tensor<3x7xf32> {
  %f = arith.constant dense<0.0> : tensor<3x7xf32>
  %0 = linalg.batch_matvec ins(%a, %x : tensor<3x7x9xf32>, tensor<3x9xf32>) outs(%f : tensor<3x7xf32>) -> tensor<3x7xf32>
  return %0 : tensor<3x7xf32>
}

func.func @batch_vecmat(%x: tensor<3x7xf32>, %a: tensor<3x7x9xf32>) -> tensor<3x9xf32> {
  %f = arith.constant dense<0.0> : tensor<3x9xf32>
  %0 = linalg.batch_vecmat ins(%x, %a : tensor<3x7xf32>, tensor<3x7x9xf32>) outs(%f : tensor<3x9xf32>) -> tensor<3x9xf32>
  return %0 : tensor<3x9xf32>
}
