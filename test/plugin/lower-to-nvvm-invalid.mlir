// REQUIRES: plugin
// RUN: %plugin-opt %s --verify-diagnostics --allow-unregistered-dialect --pass-pipeline="builtin.module(einnet-lower-to-nvvm{python=%python})"

// A pass that makes another module of it has to see all of it.

func.func @exp(%x: tensor<16xf32>) -> tensor<16xf32> {
  // expected-note@+2 {{'foreign.before', or what it is about, is of a dialect that is not upstream's}}
  // expected-error@+1 {{einnet-lower-to-nvvm changes whole modules, and has to know all of this one}}
  "foreign.before"() : () -> ()
  %empty = tensor.empty() : tensor<16xf32>
  %y = linalg.exp ins(%x : tensor<16xf32>) outs(%empty : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}
