// A module with nothing to optimize, which must come out as it went in. Typed by hand.
// LEFT ALONE: there is no sum of products in it
module @nothing attributes {test.kept = dense<[1, 2]> : tensor<2xi32>} {
  func.func private @declared(tensor<4xf32> {test.a}) -> tensor<4xf32> attributes {llvm.emit_c_interface}
  func.func @relu(%a: tensor<4x4xf32>) -> tensor<4x4xf32> {
    %c = arith.constant 0.000000e+00 : f32
    %e = tensor.empty() : tensor<4x4xf32>
    %0 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
        ins(%a : tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) {
    ^bb0(%x: f32, %o: f32):
      %m = arith.maximumf %x, %c : f32
      linalg.yield %m : f32
    } -> tensor<4x4xf32>
    return %0 : tensor<4x4xf32>
  }
  func.func @largest(%a: tensor<4x4xf32>) -> tensor<4xf32> {
    %i = arith.constant dense<0xFF800000> : tensor<4xf32>
    %0 = linalg.reduce {arith.maximumf} ins(%a : tensor<4x4xf32>) outs(%i : tensor<4xf32>) dimensions = [1]
    return %0 : tensor<4xf32>
  }
  func.func @called(%a: tensor<4xf32>) -> tensor<4xf32> {
    %0 = call @declared(%a) : (tensor<4xf32>) -> tensor<4xf32>
    return %0 : tensor<4xf32>
  }
  func.func @nothing() {
    return
  }
}
