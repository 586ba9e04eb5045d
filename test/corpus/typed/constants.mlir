// Constants in all their forms as operands of products: splat, dense, hex, nested in a chain, of
// integers widened, of dense_resource. Typed by hand; those of MLIR's importers look the same.
// OPTIMIZED @splat @dense @hexadecimal @chain_of_constants @not_a_number @resource_in_a_product
// LEFT ALONE @resource: bytes of a resource cannot be read back, and the CPU target needs them

func.func @splat(%a: tensor<4x6xf32>) -> tensor<4x5xf32> {
  %b = arith.constant dense<0.25> : tensor<6x5xf32>
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

func.func @dense(%x: tensor<1x1x5x5xf32>) -> tensor<1x1x3x3xf32> {
  %w = arith.constant dense<[[[[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]]]> : tensor<1x1x3x3xf32>
  %z = arith.constant dense<0.0> : tensor<1x1x3x3xf32>
  %0 = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x1x5x5xf32>, tensor<1x1x3x3xf32>) outs(%z : tensor<1x1x3x3xf32>) -> tensor<1x1x3x3xf32>
  return %0 : tensor<1x1x3x3xf32>
}

func.func @hexadecimal(%a: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %b = arith.constant dense<"0x0000803F0000004000004040000080C0"> : tensor<2x2xf32>
  %z = arith.constant dense<0.0> : tensor<4x2xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x2xf32>, tensor<2x2xf32>) outs(%z : tensor<4x2xf32>) -> tensor<4x2xf32>
  return %0 : tensor<4x2xf32>
}

func.func @chain_of_constants(%a: tensor<4x6xf32>) -> tensor<4x5xf32> {
  %b = arith.constant dense<0.5> : tensor<6x3xf32>
  %c = arith.constant dense<2.0> : tensor<3x5xf32>
  %z = arith.constant dense<0.0> : tensor<6x5xf32>
  %bc = linalg.matmul ins(%b, %c : tensor<6x3xf32>, tensor<3x5xf32>) outs(%z : tensor<6x5xf32>) -> tensor<6x5xf32>
  %y = arith.constant dense<1.0> : tensor<4x5xf32>
  %0 = linalg.matmul ins(%a, %bc : tensor<4x6xf32>, tensor<6x5xf32>) outs(%y : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

func.func @not_a_number(%a: tensor<4x6xf32>) -> tensor<4x5xf32> {
  %b = arith.constant dense<0x7FC00000> : tensor<6x5xf32>
  %z = arith.constant dense<-0.0> : tensor<4x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

func.func @integers(%a: tensor<4x2xi8>) -> tensor<4x3xi32> {
  %b = arith.constant dense<[[1, -2, 3], [-128, 127, 0]]> : tensor<2x3xi8>
  %z = arith.constant dense<7> : tensor<4x3xi32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x2xi8>, tensor<2x3xi8>) outs(%z : tensor<4x3xi32>) -> tensor<4x3xi32>
  return %0 : tensor<4x3xi32>
}

func.func @resource() -> tensor<2x2xf32> {
  %b = arith.constant dense_resource<weights> : tensor<2x2xf32>
  return %b : tensor<2x2xf32>
}

func.func @resource_in_a_product(%a: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %b = arith.constant dense_resource<weights> : tensor<2x2xf32>
  %z = arith.constant dense<0.0> : tensor<4x2xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x2xf32>, tensor<2x2xf32>) outs(%z : tensor<4x2xf32>) -> tensor<4x2xf32>
  return %0 : tensor<4x2xf32>
}

{-#
  dialect_resources: {
    builtin: {
      weights: "0x040000000000803F0000004000004040000080C0"
    }
  }
#-}
