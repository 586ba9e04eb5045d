// RUN: einnet-opt %s --split-input-file --verify-diagnostics --einnet-correct
// RUN: not einnet-opt %s --split-input-file --einnet-correct=label=other 2>&1 | FileCheck %s --check-prefix=LABEL
// RUN: not einnet-opt %s --einnet-correct=target=tpu 2>&1 | FileCheck %s --check-prefix=TARGET

// LABEL: error: einnet-correct: no mutant is labelled "other"
// LABEL-NEXT: hint: mutants: conv
// TARGET: error: unknown target 'tpu'

func.func @no_original(%x: tensor<2x3x8xf32>, %w: tensor<3x3xf32>) -> tensor<2x3x8xf32> {
  // expected-error @+1 {{einnet-correct does not apply to the mutant 'conv': there is no function @einnet.original.conv}}
  %y = builtin.unrealized_conversion_cast %x, %x, %w
      : tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<3x3xf32> to tensor<2x3x8xf32>
      {einnet.label = "conv", einnet.mutant = "merge-borders(operand=0, outer=0, inner=2, gap=0)", einnet.incorrect_boxes = ["[0:2:1, 0:3:1, 0:8:1]"], einnet.original = @einnet.original.conv}
  return %y : tensor<2x3x8xf32>
}

// -----

func.func private @einnet.original.conv(tensor<2x3x8xf32>, tensor<3x3xf32>) -> tensor<2x3x8xf32>
func.func @declared(%x: tensor<2x3x8xf32>, %w: tensor<3x3xf32>) -> tensor<2x3x8xf32> {
  // expected-error @+1 {{there is nothing but a declaration of @einnet.original.conv}}
  %y = builtin.unrealized_conversion_cast %x, %x, %w
      : tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<3x3xf32> to tensor<2x3x8xf32>
      {einnet.label = "conv", einnet.mutant = "merge-borders(operand=0, outer=0, inner=2, gap=0)", einnet.incorrect_boxes = ["[0:2:1, 0:3:1, 0:8:1]"], einnet.original = @einnet.original.conv}
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
func.func @more_is_wrong(%x: tensor<2x3x8xf32>, %w: tensor<3x3xf32>) -> tensor<2x3x8xf32> {
  // expected-error @+1 {{outside its einnet.incorrect_boxes it is wrong too: [0, 0:3:1, 4:8:1], [1, 0:3:1, 0:8:1]}}
  %y = builtin.unrealized_conversion_cast %x, %x, %w
      : tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<3x3xf32> to tensor<2x3x8xf32>
      {einnet.label = "conv", einnet.mutant = "merge-borders(operand=0, outer=0, inner=2, gap=0)", einnet.incorrect_boxes = ["[0, 0:3:1, 0:4:1]"], einnet.original = @einnet.original.conv}
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
func.func @no_box(%x: tensor<2x3x8xf32>, %w: tensor<3x3xf32>) -> tensor<2x3x8xf32> {
  // expected-error @+1 {{neither a coordinate nor start:stop:step: 0:3}}
  %y = builtin.unrealized_conversion_cast %x, %x, %w
      : tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<3x3xf32> to tensor<2x3x8xf32>
      {einnet.label = "conv", einnet.mutant = "merge-borders(operand=0, outer=0, inner=2, gap=0)", einnet.incorrect_boxes = ["[0:2:1, 0:3, 0:8:1]"], einnet.original = @einnet.original.conv}
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
func.func @outside(%x: tensor<2x3x8xf32>, %w: tensor<3x3xf32>) -> tensor<2x3x8xf32> {
  // expected-error @+1 {{no box of a tensor of shape 2x3x8: [0:2:1, 0:4:1, 0:8:1]}}
  %y = builtin.unrealized_conversion_cast %x, %x, %w
      : tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<3x3xf32> to tensor<2x3x8xf32>
      {einnet.label = "conv", einnet.mutant = "merge-borders(operand=0, outer=0, inner=2, gap=0)", einnet.incorrect_boxes = ["[0:2:1, 0:4:1, 0:8:1]"], einnet.original = @einnet.original.conv}
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
func.func @other_operands(%x: tensor<2x3x8xf32>, %w: tensor<3x3xf32>) -> tensor<2x3x8xf32> {
  // expected-error @+1 {{@einnet.original.conv is no single expression of the mutant's operands}}
  %y = builtin.unrealized_conversion_cast %x, %x
      : tensor<2x3x8xf32>, tensor<2x3x8xf32> to tensor<2x3x8xf32>
      {einnet.label = "conv", einnet.mutant = "merge-borders(operand=0, outer=0, inner=2, gap=0)", einnet.incorrect_boxes = ["[0:2:1, 0:3:1, 0:8:1]"], einnet.original = @einnet.original.conv}
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
func.func @no_boxes(%x: tensor<2x3x8xf32>, %w: tensor<3x3xf32>) -> tensor<2x3x8xf32> {
  // expected-error @+1 {{einnet.mutant does not stand beside einnet.incorrect_boxes and einnet.original}}
  %y = builtin.unrealized_conversion_cast %x, %x, %w
      : tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<3x3xf32> to tensor<2x3x8xf32>
      {einnet.label = "conv", einnet.mutant = "merge-borders(operand=0, outer=0, inner=2, gap=0)", einnet.original = @einnet.original.conv}
  return %y : tensor<2x3x8xf32>
}
