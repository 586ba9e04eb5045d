// Types that mean more than a shape, and elements that no library has: sparse and other encodings,
// quantized, 8-bit and 4-bit ones, booleans, vectors. Typed by hand.
// LEFT ALONE @sparse: the CPU target has no sparse tensors
// LEFT ALONE @sparse_result: the CPU target has no sparse tensors
// LEFT ALONE @encoded: an encoding of its own
// LEFT ALONE @f8: the CPU target has no elements of f8E4M3FN
// LEFT ALONE @tf32: the CPU target has no elements of tf32
// LEFT ALONE @i4: the CPU target has no elements of i4
// LEFT ALONE @booleans: the CPU target stores no booleans
// LEFT ALONE @unsigned: the CPU target has no signed or unsigned integers
// OPTIMIZED @rounded_between
#csr = #sparse_tensor.encoding<{map = (i, j) -> (i : dense, j : compressed)}>

func.func @sparse(%a: tensor<4x6xf32, #csr>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32, #csr>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

func.func @sparse_result(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32, #csr> {
  %z = tensor.empty() : tensor<4x5xf32, #csr>
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32, #csr>) -> tensor<4x5xf32, #csr>
  return %0 : tensor<4x5xf32, #csr>
}

func.func @encoded(%a: tensor<4x6xf32, "tiled">, %b: tensor<6x5xf32, "tiled">, %c: tensor<4x5xf32, "tiled">) -> tensor<4x5xf32, "tiled"> {
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32, "tiled">, tensor<6x5xf32, "tiled">) outs(%c : tensor<4x5xf32, "tiled">) -> tensor<4x5xf32, "tiled">
  return %0 : tensor<4x5xf32, "tiled">
}

func.func @f8(%a: tensor<4x6xf8E4M3FN>, %b: tensor<6x5xf8E4M3FN>, %c: tensor<4x5xf32>) -> tensor<4x5xf32> {
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf8E4M3FN>, tensor<6x5xf8E4M3FN>) outs(%c : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

func.func @tf32(%a: tensor<4x6xtf32>, %b: tensor<6x5xtf32>, %c: tensor<4x5xtf32>) -> tensor<4x5xtf32> {
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xtf32>, tensor<6x5xtf32>) outs(%c : tensor<4x5xtf32>) -> tensor<4x5xtf32>
  return %0 : tensor<4x5xtf32>
}

func.func @i4(%a: tensor<4x6xi4>, %b: tensor<6x5xi4>, %c: tensor<4x5xi32>) -> tensor<4x5xi32> {
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xi4>, tensor<6x5xi4>) outs(%c : tensor<4x5xi32>) -> tensor<4x5xi32>
  return %0 : tensor<4x5xi32>
}

func.func @booleans(%a: tensor<4x6xi1>, %b: tensor<6x5xi1>, %c: tensor<4x5xi1>) -> tensor<4x5xi1> {
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xi1>, tensor<6x5xi1>) outs(%c : tensor<4x5xi1>) -> tensor<4x5xi1>
  return %0 : tensor<4x5xi1>
}

func.func @unsigned(%a: tensor<4xui8>, %b: tensor<4xsi16>) -> (tensor<4xui8>, tensor<4xsi16>) {
  return %a, %b : tensor<4xui8>, tensor<4xsi16>
}

// Rounded to half precision between two products, which must stay.
func.func @rounded_between(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>, %w: tensor<5x3xf32>) -> tensor<4x3xf32> {
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  %n = arith.truncf %0 : tensor<4x5xf32> to tensor<4x5xf16>
  %x = arith.extf %n : tensor<4x5xf16> to tensor<4x5xf32>
  %y = arith.constant dense<0.0> : tensor<4x3xf32>
  %1 = linalg.matmul ins(%x, %w : tensor<4x5xf32>, tensor<5x3xf32>) outs(%y : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %1 : tensor<4x3xf32>
}
