// Elements other than f32: f64, f16, bf16 between f32, integers, index, and mixed products. Typed by
// hand.
// LEFT ALONE @bf16: the CPU target has no arguments of bf16
// LEFT ALONE @complex: the CPU target has no complex numbers
// OPTIMIZED @f64 @integers_then_floats @selected

func.func @f64(%a: tensor<6x7xf64>, %b: tensor<7x5xf64>) -> tensor<6x5xf64> {
  %z = arith.constant dense<0.0> : tensor<6x5xf64>
  %0 = linalg.matmul ins(%a, %b : tensor<6x7xf64>, tensor<7x5xf64>) outs(%z : tensor<6x5xf64>) -> tensor<6x5xf64>
  return %0 : tensor<6x5xf64>
}

func.func @f16(%a: tensor<6x7xf16>, %b: tensor<7x5xf16>) -> tensor<6x5xf16> {
  %z = arith.constant dense<0.0> : tensor<6x5xf16>
  %0 = linalg.matmul ins(%a, %b : tensor<6x7xf16>, tensor<7x5xf16>) outs(%z : tensor<6x5xf16>) -> tensor<6x5xf16>
  return %0 : tensor<6x5xf16>
}

func.func @bf16(%a: tensor<6x7xbf16>, %b: tensor<7x5xbf16>) -> tensor<6x5xf32> {
  %z = arith.constant dense<0.0> : tensor<6x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<6x7xbf16>, tensor<7x5xbf16>) outs(%z : tensor<6x5xf32>) -> tensor<6x5xf32>
  return %0 : tensor<6x5xf32>
}

func.func @bf16_between(%a: tensor<6x7xf32>, %b: tensor<7x5xf32>) -> tensor<6x5xf32> {
  %z = arith.constant dense<0.0> : tensor<6x5xf32>
  %ta = arith.truncf %a : tensor<6x7xf32> to tensor<6x7xbf16>
  %tb = arith.truncf %b : tensor<7x5xf32> to tensor<7x5xbf16>
  %0 = linalg.matmul ins(%ta, %tb : tensor<6x7xbf16>, tensor<7x5xbf16>) outs(%z : tensor<6x5xf32>) -> tensor<6x5xf32>
  return %0 : tensor<6x5xf32>
}

func.func @widened(%a: tensor<6x7xf32>, %b: tensor<7x5xf32>, %c: tensor<6x5xf64>) -> tensor<6x5xf64> {
  %0 = linalg.matmul ins(%a, %b : tensor<6x7xf32>, tensor<7x5xf32>) outs(%c : tensor<6x5xf64>) -> tensor<6x5xf64>
  return %0 : tensor<6x5xf64>
}

func.func @i8(%a: tensor<6x7xi8>, %b: tensor<7x5xi8>) -> tensor<6x5xi8> {
  %z = arith.constant dense<0> : tensor<6x5xi8>
  %0 = linalg.matmul ins(%a, %b : tensor<6x7xi8>, tensor<7x5xi8>) outs(%z : tensor<6x5xi8>) -> tensor<6x5xi8>
  return %0 : tensor<6x5xi8>
}

func.func @i64(%a: tensor<6x7xi64>, %b: tensor<7x5xi64>) -> tensor<6x5xi64> {
  %z = arith.constant dense<0> : tensor<6x5xi64>
  %0 = linalg.matmul ins(%a, %b : tensor<6x7xi64>, tensor<7x5xi64>) outs(%z : tensor<6x5xi64>) -> tensor<6x5xi64>
  return %0 : tensor<6x5xi64>
}

func.func @integers_then_floats(%a: tensor<6x7xi32>, %b: tensor<7x5xi32>, %w: tensor<5x4xf32>) -> tensor<6x4xf32> {
  %z = arith.constant dense<0> : tensor<6x5xi32>
  %0 = linalg.matmul ins(%a, %b : tensor<6x7xi32>, tensor<7x5xi32>) outs(%z : tensor<6x5xi32>) -> tensor<6x5xi32>
  %1 = arith.sitofp %0 : tensor<6x5xi32> to tensor<6x5xf32>
  %zf = arith.constant dense<0.0> : tensor<6x4xf32>
  %2 = linalg.matmul ins(%1, %w : tensor<6x5xf32>, tensor<5x4xf32>) outs(%zf : tensor<6x4xf32>) -> tensor<6x4xf32>
  return %2 : tensor<6x4xf32>
}

func.func @selected(%a: tensor<6x7xf32>, %b: tensor<7x5xf32>) -> tensor<6x5xf32> {
  %z = arith.constant dense<0.0> : tensor<6x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<6x7xf32>, tensor<7x5xf32>) outs(%z : tensor<6x5xf32>) -> tensor<6x5xf32>
  %c = arith.cmpf ogt, %0, %z : tensor<6x5xf32>
  %s = arith.select %c, %0, %z : tensor<6x5xi1>, tensor<6x5xf32>
  return %s : tensor<6x5xf32>
}

func.func @complex(%a: tensor<6x7xcomplex<f32>>, %b: tensor<7x5xcomplex<f32>>, %c: tensor<6x5xcomplex<f32>>) -> tensor<6x5xcomplex<f32>> {
  %0 = linalg.matmul ins(%a, %b : tensor<6x7xcomplex<f32>>, tensor<7x5xcomplex<f32>>) outs(%c : tensor<6x5xcomplex<f32>>) -> tensor<6x5xcomplex<f32>>
  return %0 : tensor<6x5xcomplex<f32>>
}
