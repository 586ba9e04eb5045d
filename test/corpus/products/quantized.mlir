// Quantized products with zero points: integers, which no library of the CPU target multiplies.
// Typed by hand. LEFT ALONE below: scalar arguments, which the CPU target's functions do not have.
// LEFT ALONE: the zero points are scalar arguments
// CHECK: linalg.quantized_matmul
// CHECK: linalg.quantized_batch_matmul

func.func @quantized_matmul(%a: tensor<7x9xi8>, %b: tensor<9x5xi8>, %za: i32, %zb: i32, %c: tensor<7x5xi32>) -> tensor<7x5xi32> {
  %0 = linalg.quantized_matmul ins(%a, %b, %za, %zb : tensor<7x9xi8>, tensor<9x5xi8>, i32, i32) outs(%c : tensor<7x5xi32>) -> tensor<7x5xi32>
  return %0 : tensor<7x5xi32>
}

func.func @quantized_batch_matmul(%a: tensor<2x7x9xi8>, %b: tensor<2x9x5xi8>, %za: i32, %zb: i32, %c: tensor<2x7x5xi32>) -> tensor<2x7x5xi32> {
  %0 = linalg.quantized_batch_matmul ins(%a, %b, %za, %zb : tensor<2x7x9xi8>, tensor<2x9x5xi8>, i32, i32) outs(%c : tensor<2x7x5xi32>) -> tensor<2x7x5xi32>
  return %0 : tensor<2x7x5xi32>
}
