// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-correct=share

func.func private @einnet.original.conv(%x: tensor<2x3x8xf32>, %w: tensor<3x3xf32>) -> tensor<2x3x8xf32> {
  %zero = arith.constant dense<0.0> : tensor<2x3x8xf32>
  %y = linalg.generic {
      indexing_maps = [affine_map<(n, f, i, c) -> (n, c, i)>, affine_map<(n, f, i, c) -> (f, c)>,
                       affine_map<(n, f, i, c) -> (n, f, i)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<2x3x8xf32>, tensor<3x3xf32>) outs(%zero : tensor<2x3x8xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %p = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %p : f32
    linalg.yield %next : f32
  } -> tensor<2x3x8xf32>
  return %y : tensor<2x3x8xf32>
}
func.func @no_steps(%x: tensor<2x3x8xf32>, %w: tensor<3x3xf32>) -> tensor<2x3x8xf32> {
  // expected-error @+1 {{einnet.mutant does not say how it was made: 'something' is no step}}
  %y = builtin.unrealized_conversion_cast %x, %x, %w
      : tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<3x3xf32> to tensor<2x3x8xf32>
      {einnet.label = "conv", einnet.mutant = "something", einnet.incorrect_boxes = ["[0:2:1, 0:3:1, 0:8:1]"], einnet.original = @einnet.original.conv}
  return %y : tensor<2x3x8xf32>
}

// -----

func.func private @einnet.original.conv(%x: tensor<2x3x8xf32>, %w: tensor<3x3xf32>) -> tensor<2x3x8xf32> {
  %zero = arith.constant dense<0.0> : tensor<2x3x8xf32>
  %y = linalg.generic {
      indexing_maps = [affine_map<(n, f, i, c) -> (n, c, i)>, affine_map<(n, f, i, c) -> (f, c)>,
                       affine_map<(n, f, i, c) -> (n, f, i)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<2x3x8xf32>, tensor<3x3xf32>) outs(%zero : tensor<2x3x8xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %p = arith.mulf %a, %b : f32
    %next = arith.addf %sum, %p : f32
    linalg.yield %next : f32
  } -> tensor<2x3x8xf32>
  return %y : tensor<2x3x8xf32>
}
func.func @another_step(%x: tensor<2x3x8xf32>, %w: tensor<3x3xf32>) -> tensor<2x3x8xf32> {
  // expected-error @+1 {{einnet.mutant does not say how it was made: }}
  %y = builtin.unrealized_conversion_cast %x, %x, %w
      : tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<3x3xf32> to tensor<2x3x8xf32>
      {einnet.label = "conv", einnet.mutant = "split-residues(operand=0, dimension=2)", einnet.incorrect_boxes = ["[0:2:1, 0:3:1, 0:8:1]"], einnet.original = @einnet.original.conv}
  return %y : tensor<2x3x8xf32>
}
