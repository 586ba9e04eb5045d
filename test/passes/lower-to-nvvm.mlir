// RUN: einnet-opt %s --einnet-lower-to-nvvm="stage=gpu" | FileCheck %s
// RUN: einnet-opt %s --einnet-lower-to-nvvm | FileCheck %s --check-prefix=NVVM
// RUN: einnet-opt %s --pass-pipeline='builtin.module(einnet-lower-to-nvvm{chip=sm_80 stage=binary})' \
// RUN:   | FileCheck %s --check-prefix=BINARY

// Each operation is a kernel; what lies between two of them is in the arena, which comes last.

// CHECK: gpu.module @kernels
// CHECK: gpu.func @[[TANH:e_[0-9a-f]+]](%{{.*}}: memref<2048xf16> {llvm.noalias, llvm.readonly}, %{{.*}}: memref<2048xf16> {llvm.noalias})
// CHECK-SAME: kernel attributes {known_block_size = array<i32: [[BLOCK:[0-9]+]], 1, 1>, known_grid_size = array<i32: [[GRID:[0-9]+]], 1, 1>}
// CHECK: gpu.func @[[MEAN:e_[0-9a-f]+]](%{{.*}}: memref<2048xf16> {llvm.noalias, llvm.readonly}, %{{.*}}: memref<16xf32> {llvm.noalias})
// CHECK: gpu.shuffle xor

// CHECK: func.func @chain(%[[X:.*]]: memref<16x128xf16>, %[[Y:.*]]: memref<16xf32>, %[[ARENA:.*]]: memref<4096xi8>) {
// CHECK-DAG: %[[FLAT:.*]] = memref.collapse_shape %[[X]] {{.*}} : memref<16x128xf16> into memref<2048xf16>
// CHECK-DAG: %[[T:.*]] = memref.view %[[ARENA]][%{{.*}}][] : memref<4096xi8> to memref<2048xf16>
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[BLOCKS:.*]] = arith.constant [[GRID]] : index
// CHECK: gpu.launch_func @kernels::@[[TANH]] blocks in (%[[BLOCKS]], %[[ONE]], %[[ONE]]) {{.*}} args(%[[FLAT]] : memref<2048xf16>, %[[T]] : memref<2048xf16>)
// CHECK: gpu.launch_func @kernels::@[[MEAN]] {{.*}} args(%[[T]] : memref<2048xf16>, %[[Y]] : memref<16xf32>)
// CHECK-NEXT: return

// NVVM: llvm.func @[[TANH:e_[0-9a-f]+]](%{{.*}}: !llvm.ptr {llvm.noalias, llvm.readonly}, %{{.*}}: !llvm.ptr {llvm.noalias})
// NVVM-SAME: nvvm.kernel
// NVVM: nvvm.read.ptx.sreg.ctaid.x
// NVVM: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<8xf16>
// NVVM: func.func @chain
// NVVM: gpu.launch_func @kernels::@[[TANH]]

// BINARY: gpu.binary @kernels [#gpu.object<#nvvm.target<O = 3, chip = "sm_80"
// BINARY-SAME: .target sm_80
// BINARY-SAME: .visible .entry [[TANH:e_[0-9a-f]+]](
// BINARY: gpu.launch_func @kernels::@[[TANH]]
func.func @chain(%x: tensor<16x128xf16>) -> tensor<16xf32> {
  %empty = tensor.empty() : tensor<16x128xf16>
  %t = linalg.tanh ins(%x : tensor<16x128xf16>) outs(%empty : tensor<16x128xf16>) -> tensor<16x128xf16>
  %zero = arith.constant 0.0 : f32
  %small = tensor.empty() : tensor<16xf32>
  %init = linalg.fill ins(%zero : f32) outs(%small : tensor<16xf32>) -> tensor<16xf32>
  %y = linalg.generic {
      indexing_maps = [affine_map<(i, k) -> (i, k)>, affine_map<(i, k) -> (i)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%t : tensor<16x128xf16>) outs(%init : tensor<16xf32>) {
  ^bb0(%a: f16, %sum: f32):
    %wide = arith.extf %a : f16 to f32
    %next = arith.addf %sum, %wide : f32
    linalg.yield %next : f32
  } -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// What a library computes is a call; its transposed operand is a view of the input.

// CHECK: func.func @product(%[[A:.*]]: memref<24x20xf32>, %[[B:.*]]: memref<28x24xf32>, %[[OUT:.*]]: memref<20x28xf32>, %[[ARENA:.*]]: memref<2304xi8>) {
// CHECK-DAG: %[[P:.*]] = memref.view %[[ARENA]][%{{.*}}][] : memref<2304xi8> to memref<560xf32>
// CHECK-DAG: %[[VIEW:.*]] = memref.reinterpret_cast %{{.*}} to offset: [0], sizes: [20, 24], strides: [1, 20] : memref<480xf32>
// CHECK: call @[[CALL:blas_matmul_[0-9]+]](%[[VIEW]], %{{.*}}, %{{.*}}) : (memref<20x24xf32, strided<[1, 20]{{.*}}>>,
// CHECK: gpu.launch_func {{.*}} args(%[[P]] : memref<560xf32>, %{{.*}} : memref<560xf32>)
func.func @product(%a: tensor<24x20xf32>, %b: tensor<28x24xf32>) -> tensor<20x28xf32> {
  %e0 = tensor.empty() : tensor<20x24xf32>
  %at = linalg.transpose ins(%a : tensor<24x20xf32>) outs(%e0 : tensor<20x24xf32>) permutation = [1, 0]
  %e1 = tensor.empty() : tensor<24x28xf32>
  %bt = linalg.transpose ins(%b : tensor<28x24xf32>) outs(%e1 : tensor<24x28xf32>) permutation = [1, 0]
  %zero = arith.constant 0.0 : f32
  %e2 = tensor.empty() : tensor<20x28xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e2 : tensor<20x28xf32>) -> tensor<20x28xf32>
  %p = linalg.matmul {einnet.library = "blas"} ins(%at, %bt : tensor<20x24xf32>, tensor<24x28xf32>)
      outs(%init : tensor<20x28xf32>) -> tensor<20x28xf32>
  %y = linalg.exp ins(%p : tensor<20x28xf32>) outs(%e2 : tensor<20x28xf32>) -> tensor<20x28xf32>
  return %y : tensor<20x28xf32>
}

// An output that is an input, or another output too, is copied; a scalar is an element.

// CHECK: func.func @outputs(%[[X:.*]]: memref<f32>, %[[OUT0:.*]]: memref<f32>, %[[OUT1:.*]]: memref<f32>, %[[OUT2:.*]]: memref<f32>, %{{.*}}: memref<0xi8>) {
// CHECK: gpu.launch_func {{.*}} args(%{{.*}} : memref<1xf32>, %{{.*}} : memref<1xf32>)
// CHECK-NEXT: gpu.memcpy %[[OUT1]], %[[X]]
// CHECK-NEXT: gpu.memcpy %[[OUT2]], %[[OUT0]]
// CHECK-NEXT: return
func.func @outputs(%x: tensor<f32>) -> (tensor<f32>, tensor<f32>, tensor<f32>) {
  %e = tensor.empty() : tensor<f32>
  %y = linalg.negf ins(%x : tensor<f32>) outs(%e : tensor<f32>) -> tensor<f32>
  return %y, %x, %y : tensor<f32>, tensor<f32>, tensor<f32>
}
