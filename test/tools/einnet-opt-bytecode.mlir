// RUN: einnet-opt %s --einnet-split-summation="label=p iterators=d2" --emit-bytecode -o %t.bytecode
// RUN: einnet-opt %s --einnet-split-summation="label=p iterators=d2" -o %t.text
// RUN: einnet-opt %t.bytecode | diff - %t.text
// RUN: mlir-opt %t.bytecode | diff - %t.text
// RUN: einnet-opt %s --emit-bytecode --emit-bytecode-version=4 | einnet-opt - --cse | FileCheck %s
// RUN: not einnet-opt %s --emit-bytecode --emit-bytecode-version=99 2>&1 | FileCheck %s --check-prefix=VERSION

// CHECK: linalg.matmul
// VERSION: einnet-opt-bytecode.mlir: error: unsupported version requested 99
func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
