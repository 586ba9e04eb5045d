// REQUIRES: plugin
// RUN: %plugin-opt --help | FileCheck %s
// RUN: %plugin-opt %s --pass-pipeline="builtin.module(einnet-optimize{measure=false python=%python})" --dump-pass-pipeline -o /dev/null 2>&1 | FileCheck %s --check-prefix=DUMP

// CHECK: --einnet-optimize - Derive, verify and choose
// CHECK: --measure
// CHECK: --python=<string>
// CHECK: --timeout=<uint>
// CHECK: --einnet-split-summation
// CHECK: --iterators=<string>

// DUMP: einnet-optimize{{.*}} measure=false

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
