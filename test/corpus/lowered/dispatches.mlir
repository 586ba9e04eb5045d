// Functions in the form of a compiler's dispatches, as IREE's and torch.compile's backends print them
// before they are made into kernels: a product with its epilogue, attributes of a target on the
// module and on operations, a softmax, an attention of two products. Typed by hand.
// OPTIMIZED @matmul_bias_gelu @attention
// CHECK: module attributes {stream.affinity = "device"} {
// CHECK-LABEL: func.func @matmul_bias_gelu
// CHECK-SAME: attributes {translation_info = "none"}
module attributes {stream.affinity = "device"} {
  func.func @matmul_bias_gelu(%a: tensor<12x16xf32>, %w: tensor<16x20xf32>, %b: tensor<20xf32>) -> tensor<12x20xf32> attributes {translation_info = "none"} {
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<12x20xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<12x20xf32>) -> tensor<12x20xf32>
    %m = linalg.matmul {lowering_config = [[4, 4, 8]]} ins(%a, %w : tensor<12x16xf32>, tensor<16x20xf32>) outs(%f : tensor<12x20xf32>) -> tensor<12x20xf32>
    %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
        ins(%m, %b : tensor<12x20xf32>, tensor<20xf32>) outs(%e : tensor<12x20xf32>) {
    ^bb0(%x: f32, %c: f32, %o: f32):
      %half = arith.constant 5.000000e-01 : f32
      %root = arith.constant 1.41421354 : f32
      %one = arith.constant 1.0 : f32
      %s = arith.addf %x, %c : f32
      %d = arith.divf %s, %root : f32
      %r = math.erf %d : f32
      %p = arith.addf %r, %one : f32
      %h = arith.mulf %s, %half : f32
      %g = arith.mulf %h, %p : f32
      linalg.yield %g : f32
    } -> tensor<12x20xf32>
    return %y : tensor<12x20xf32>
  }

  func.func @softmax(%x: tensor<3x8x8xf32>) -> tensor<3x8x8xf32> {
    %e = tensor.empty() : tensor<3x8x8xf32>
    %y = linalg.softmax dimension(2) ins(%x : tensor<3x8x8xf32>) outs(%e : tensor<3x8x8xf32>) -> tensor<3x8x8xf32>
    return %y : tensor<3x8x8xf32>
  }

  func.func @attention(%q: tensor<3x8x4xf32>, %k: tensor<3x8x4xf32>, %v: tensor<3x8x4xf32>) -> tensor<3x8x4xf32> {
    %scale = arith.constant 0.5 : f32
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<3x8x8xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x8x8xf32>) -> tensor<3x8x8xf32>
    %s = linalg.batch_matmul indexing_maps = [affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (b, n, k)>, affine_map<(b, m, n, k) -> (b, m, n)>]
        ins(%q, %k : tensor<3x8x4xf32>, tensor<3x8x4xf32>) outs(%f : tensor<3x8x8xf32>) -> tensor<3x8x8xf32>
    %t = linalg.generic {indexing_maps = [affine_map<(b, i, j) -> (b, i, j)>, affine_map<(b, i, j) -> (b, i, j)>], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%s : tensor<3x8x8xf32>) outs(%e : tensor<3x8x8xf32>) {
    ^bb0(%x: f32, %o: f32):
      %m = arith.mulf %x, %scale : f32
      linalg.yield %m : f32
    } -> tensor<3x8x8xf32>
    %p = linalg.softmax dimension(2) ins(%t : tensor<3x8x8xf32>) outs(%e : tensor<3x8x8xf32>) -> tensor<3x8x8xf32>
    %eo = tensor.empty() : tensor<3x8x4xf32>
    %fo = linalg.fill ins(%zero : f32) outs(%eo : tensor<3x8x4xf32>) -> tensor<3x8x4xf32>
    %y = linalg.batch_matmul ins(%p, %v : tensor<3x8x8xf32>, tensor<3x8x4xf32>) outs(%fo : tensor<3x8x4xf32>) -> tensor<3x8x4xf32>
    return %y : tensor<3x8x4xf32>
  }
}
