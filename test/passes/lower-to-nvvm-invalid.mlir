// RUN: not einnet-opt %s --split-input-file --einnet-lower-to-nvvm 2>&1 \
// RUN:   | FileCheck %s --implicit-check-not="module {"
// RUN: not einnet-opt %s --einnet-lower-to-nvvm=chip=sm_35 2>&1 | FileCheck %s --check-prefix=CHIP
// RUN: not einnet-opt %s --einnet-lower-to-nvvm=stage=sass 2>&1 | FileCheck %s --check-prefix=STAGE
// RUN: not einnet-opt %s --pass-pipeline='builtin.module(func.func(einnet-lower-to-nvvm))' 2>&1 \
// RUN:   | FileCheck %s --check-prefix=NESTED

// CHIP: --einnet-lower-to-nvvm:1:{{.*}}: error: no kernels are made for the chip 'sm_35'
// CHIP-NEXT: hint: there are: sm_80

// STAGE: --einnet-lower-to-nvvm:1:{{.*}}: error: unknown stage 'sass'
// STAGE-NEXT: hint: stages: gpu, nvvm, binary

// NESTED: error: einnet-lower-to-nvvm runs on a builtin.module, not on 'func.func'

func.func @largest(%a: tensor<4x5xf32>, %low: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: lower-to-nvvm-invalid.mlir:[[#@LINE+2]]:{{.*}}: error: no kernel computes 'linalg.reduce'
  // CHECK-NEXT: hint: {{.+}}
  %p = linalg.reduce ins(%a : tensor<4x5xf32>) outs(%low : tensor<4xf32>) dimensions = [1]
      (%x: f32, %old: f32) {
    %next = arith.maximumf %x, %old : f32
    linalg.yield %next : f32
  }
  return %p : tensor<4xf32>
}

// -----

// CHECK: lower-to-nvvm-invalid.mlir:[[#@LINE+1]]:{{.*}}: error: no kernel has elements of type i1, as 'arg0' has
func.func @truth(%a: tensor<4xi1>) -> tensor<4xi1> {
  return %a : tensor<4xi1>
}

// -----

func.func @dynamic(%a: tensor<?xf32>) -> tensor<?xf32> {
  // CHECK: lower-to-nvvm-invalid.mlir:[[#@LINE+1]]:{{.*}}: error: no kernel computes 'linalg.negf'
  %y = linalg.negf ins(%a : tensor<?xf32>) outs(%a : tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

func.func @untagged(%x: tensor<8x8xf32>, %w: tensor<8x8xf32>, %y: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // CHECK: lower-to-nvvm-invalid.mlir:[[#@LINE+2]]:{{.*}}: error: einnet.library = 3 : i64 is not a name
  // CHECK-NEXT: hint: write it einnet.library = "..."
  %0 = linalg.matmul {einnet.library = 3} ins(%x, %w : tensor<8x8xf32>, tensor<8x8xf32>) outs(%y : tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}
