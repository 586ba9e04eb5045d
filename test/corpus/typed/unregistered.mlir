// RUN with --allow-unregistered-dialect: operations of a dialect that nobody knows between products,
// with attributes and regions, and such functions beside. Typed by hand.
// OPTIMIZED @between @in_a_chain
// LEFT ALONE @only_foreign: its operations mean nothing to the CPU target
// STAND-IN "foreign.magnitude" = math.absf
// STAND-IN "foreign.combine" = arith.maximumf
// CHECK-LABEL: func.func @between
// CHECK: linalg.matmul
// CHECK: "foreign.magnitude"
// CHECK: linalg.matmul
// CHECK-LABEL: func.func @only_foreign
// CHECK: "foreign.region"() ({

func.func @between(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>, %c: tensor<5x3xf32>) -> tensor<4x3xf32> {
  %z = arith.constant dense<0.0> : tensor<4x5xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
  %1 = "foreign.magnitude"(%0) : (tensor<4x5xf32>) -> tensor<4x5xf32>
  %z2 = arith.constant dense<0.0> : tensor<4x3xf32>
  %2 = linalg.matmul ins(%1, %c : tensor<4x5xf32>, tensor<5x3xf32>) outs(%z2 : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %2 : tensor<4x3xf32>
}

func.func @in_a_chain(%x: tensor<1x3x6x6xf32>, %w: tensor<4x3x3x3xf32>, %v: tensor<4x4x1x1xf32>) -> tensor<1x4x4x4xf32> {
  %z = arith.constant dense<0.0> : tensor<1x4x4x4xf32>
  %0 = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x3x6x6xf32>, tensor<4x3x3x3xf32>) outs(%z : tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %1 = "foreign.magnitude"(%0) {foreign.fast} : (tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %2 = "foreign.combine"(%0, %1) : (tensor<1x4x4x4xf32>, tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %3 = linalg.conv_2d_nchw_fchw ins(%2, %v : tensor<1x4x4x4xf32>, tensor<4x4x1x1xf32>) outs(%z : tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  return %3 : tensor<1x4x4x4xf32>
}

func.func @only_foreign(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "foreign.region"() ({
    %1 = "foreign.inner"(%a) : (tensor<4xf32>) -> tensor<4xf32>
    "foreign.yield"(%1) : (tensor<4xf32>) -> ()
  }) {foreign.note = #foreign.attribute<some "text">} : () -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
