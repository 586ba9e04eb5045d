// RUN: einnet-opt %s --mlir-elide-elementsattrs-if-larger=2 | FileCheck %s --check-prefix=ELIDE
// RUN: einnet-opt %s --mlir-elide-resource-strings-if-larger=4 | FileCheck %s --check-prefix=RESOURCE
// RUN: einnet-opt %s --einnet-split-summation="label=p iterators=d2" --mlir-print-debuginfo | FileCheck %s --check-prefix=PLACES
// RUN: einnet-opt %s --mlir-print-debuginfo --mlir-pretty-debuginfo | FileCheck %s --check-prefix=PRETTY
// RUN: einnet-opt - --mlir-print-debuginfo < %s | FileCheck %s --check-prefix=STDIN
// RUN: einnet-opt %s --mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC
// RUN: einnet-opt %s --einnet-split-summation="label=p iterators=d2" --mlir-print-local-scope | FileCheck %s --check-prefix=LOCAL
// RUN: einnet-opt %s --mlir-print-skip-regions | FileCheck %s --check-prefix=SKIP

// ELIDE: dense_resource<__elided__> : tensor<3xi32>
// RESOURCE-NOT: 0x08000000
// PLACES: linalg.generic
// PLACES: loc("{{.*}}einnet-opt-printing.mlir":[[#@LINE+13]]:8)
// PRETTY: einnet-opt-printing.mlir:[[#@LINE+12]]:8
// STDIN: loc("<stdin>":[[#@LINE+11]]:8)
// GENERIC: "builtin.module"() ({
// GENERIC: "linalg.matmul"(
// LOCAL-NOT: #map
// LOCAL: indexing_maps = [affine_map<
// SKIP: module {...}
func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>)
    -> (tensor<4x6xf32>, tensor<3xi32>, tensor<3xi64>) {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %many = arith.constant dense<[1, 2, 3]> : tensor<3xi32>
  %blob = arith.constant dense_resource<blob> : tensor<3xi64>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p, %many, %blob : tensor<4x6xf32>, tensor<3xi32>, tensor<3xi64>
}

{-# dialect_resources: { builtin: {
  blob: "0x08000000010000000000000002000000000000000300000000000000" } } #-}
