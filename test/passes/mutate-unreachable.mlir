// RUN: einnet-opt %s --verify-diagnostics --einnet-mutate="label=p mutation=stride-one"

func.func @dense(%x: tensor<2x3x10xf32>, %w: tensor<4x3x3xf32>) -> tensor<2x4x8xf32> {
  %zero = arith.constant dense<0.0> : tensor<2x4x8xf32>
  // expected-error @+1 {{einnet-mutate does not apply to 'linalg.conv_1d_ncw_fcw': no mutant is made of stride-one; first mutations are merge-borders(operand=0, outer=0, inner=2, gap=0)}}
  %p = linalg.conv_1d_ncw_fcw {einnet.label = "p"}
      ins(%x, %w : tensor<2x3x10xf32>, tensor<4x3x3xf32>)
      outs(%zero : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  return %p : tensor<2x4x8xf32>
}
