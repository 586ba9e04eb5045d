// RUN: einnet-opt %s --show-dialects | FileCheck %s --check-prefix=DIALECTS
// RUN: einnet-opt %s --dump-pass-pipeline -o %t 2>&1 \
// RUN:   -p 'builtin.module(func.func(cse,einnet-split-summation{label=p iterators=d2}),canonicalize)' | FileCheck %s
// RUN: not einnet-opt %s --load-pass-plugin=a.so 2>&1 | FileCheck %s --check-prefix=REFUSED
// RUN: not einnet-opt %s --mlir-print-stacktrace-on-diagnostic 2>&1 | FileCheck %s --check-prefix=STACK
// RUN: einnet-opt %s --no-implicit-module -p 'func.func(cse)' | FileCheck %s --check-prefix=ALONE
// RUN: not einnet-opt %s --no-implicit-module --einnet-split-summation="label=p iterators=d2" 2>&1 \
// RUN:   | FileCheck %s --check-prefix=MODULE
// RUN: not einnet-opt %s --split-input-file=//@@ --output-split-marker=//== 2>&1 | FileCheck %s --check-prefix=MARKERS
// RUN: einnet-opt %s --verify-each=false --mlir-disable-threading --cse -o %t

// DIALECTS: Available Dialects: acc,affine,
// CHECK: Pass Manager with 3 passes:
// CHECK-NEXT: builtin.module(
// CHECK-NEXT: func.func(
// CHECK-NEXT: cse
// CHECK-NEXT: ),
// CHECK-NEXT: func.func(
// CHECK-NEXT: einnet-split-summation{label=p iterators={d2}
// CHECK-NEXT: ),
// CHECK-NEXT: canonicalize{{.*}}top-down=true
// CHECK-NEXT: )
// REFUSED: error: --load-pass-plugin=a.so: einnet-opt does not have this option of mlir-opt
// REFUSED-NEXT: hint: {{.*}}use mlir-opt with einnet's pass plugin
// STACK: error: --mlir-print-stacktrace-on-diagnostic: einnet-opt does not have this option
// ALONE: {{^}}func.func @product
// MODULE: error: einnet-split-summation runs on a builtin.module, not on 'func.func'
// MARKERS: func.func @product
// MARKERS: {{^}}//==
func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
