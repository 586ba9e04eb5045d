// Convolutions as an explicit im2col and a product, with the gather as tensor.extract of computed
// indices (what convert-conv2d-to-img2col makes) and as an affine generic. Typed by hand.
// OPTIMIZED @gathered @affine
#m0 = affine_map<(n, p, q) -> (n, p, q)>
#a = affine_map<(n, p, f, q) -> (n, p, q)>
#b = affine_map<(n, p, f, q) -> (q, f)>
#c = affine_map<(n, p, f, q) -> (n, p, f)>

func.func @gathered(%x: tensor<1x6x6x4xf32>, %w: tensor<3x3x4x5xf32>) -> tensor<1x4x4x5xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x16x5xf32>
  %cols = tensor.empty() : tensor<1x16x36xf32>
  %wf = tensor.collapse_shape %w [[0, 1, 2], [3]] : tensor<3x3x4x5xf32> into tensor<36x5xf32>
  %g = linalg.generic {indexing_maps = [#m0], iterator_types = ["parallel", "parallel", "parallel"]} outs(%cols : tensor<1x16x36xf32>) {
  ^bb0(%o: f32):
    %n = linalg.index 0 : index
    %p = linalg.index 1 : index
    %q = linalg.index 2 : index
    %oh = affine.apply affine_map<(p) -> (p floordiv 4)>(%p)
    %ow = affine.apply affine_map<(p) -> (p mod 4)>(%p)
    %h = affine.apply affine_map<(h, q) -> (h + q floordiv 12)>(%oh, %q)
    %v = affine.apply affine_map<(w, q) -> (w + (q mod 12) floordiv 4)>(%ow, %q)
    %c = affine.apply affine_map<(q) -> (q mod 4)>(%q)
    %e = tensor.extract %x[%n, %h, %v, %c] : tensor<1x6x6x4xf32>
    linalg.yield %e : f32
  } -> tensor<1x16x36xf32>
  %y = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%g, %wf : tensor<1x16x36xf32>, tensor<36x5xf32>) outs(%zero : tensor<1x16x5xf32>) {
  ^bb0(%i: f32, %k: f32, %acc: f32):
    %m = arith.mulf %i, %k : f32
    %s = arith.addf %m, %acc : f32
    linalg.yield %s : f32
  } -> tensor<1x16x5xf32>
  %r = tensor.expand_shape %y [[0], [1, 2], [3]] output_shape [1, 4, 4, 5] : tensor<1x16x5xf32> into tensor<1x4x4x5xf32>
  return %r : tensor<1x4x4x5xf32>
}

func.func @affine(%x: tensor<4x6x6xf32>, %w: tensor<5x36xf32>) -> tensor<5x4x4xf32> {
  %e = tensor.empty() : tensor<4x3x3x4x4xf32>
  %cols = linalg.generic {indexing_maps = [affine_map<(c, r, s, h, w) -> (c, h + r, w + s)>, affine_map<(c, r, s, h, w) -> (c, r, s, h, w)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]}
      ins(%x : tensor<4x6x6xf32>) outs(%e : tensor<4x3x3x4x4xf32>) {
  ^bb0(%i: f32, %o: f32):
    linalg.yield %i : f32
  } -> tensor<4x3x3x4x4xf32>
  %flat = tensor.collapse_shape %cols [[0, 1, 2], [3, 4]] : tensor<4x3x3x4x4xf32> into tensor<36x16xf32>
  %zero = arith.constant dense<0.0> : tensor<5x16xf32>
  %y = linalg.matmul ins(%w, %flat : tensor<5x36xf32>, tensor<36x16xf32>) outs(%zero : tensor<5x16xf32>) -> tensor<5x16xf32>
  %r = tensor.expand_shape %y [[0], [1, 2]] output_shape [5, 4, 4] : tensor<5x16xf32> into tensor<5x4x4xf32>
  return %r : tensor<5x4x4xf32>
}
