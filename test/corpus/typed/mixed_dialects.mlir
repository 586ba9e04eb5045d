// Functions of other dialects beside, globals, memrefs, control flow of several blocks, GPU and
// vector code, and one product among them. Typed by hand.
// OPTIMIZED @product
// LEFT ALONE @buffers: arguments that are no tensors
// LEFT ALONE @blocks: a scalar argument
// LEFT ALONE @vectors: arguments that are no tensors
// LEFT ALONE @scalars: scalar arguments
// LEFT ALONE @buffered_product: arguments that are no tensors
// LEFT ALONE @generated: a scalar argument
// CHECK: memref.global "private" constant @table
// CHECK: llvm.func @printf
// CHECK: gpu.module @kernels
#map = affine_map<(d0)[s0] -> (d0 * 2 + s0)>
module attributes {gpu.container_module, dlti.dl_spec = #dlti.dl_spec<index = 64 : i64>} {
  memref.global "private" constant @table : memref<4xf32> = dense<[1.0, 2.0, 3.0, 4.0]>
  memref.global @state : memref<2x2xi32>
  llvm.func @printf(!llvm.ptr, ...) -> i32
  gpu.module @kernels {
    gpu.func @kernel(%a: memref<4xf32>) kernel {
      %i = gpu.thread_id x
      %v = memref.load %a[%i] : memref<4xf32>
      memref.store %v, %a[%i] : memref<4xf32>
      gpu.return
    }
  }
  func.func @buffers(%a: memref<4xf32>, %n: index) -> f32 {
    %t = memref.get_global @table : memref<4xf32>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %zero = arith.constant 0.0 : f32
    %s = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %zero) -> (f32) {
      %x = memref.load %a[%i] : memref<4xf32>
      %y = memref.load %t[%i] : memref<4xf32>
      %p = arith.mulf %x, %y : f32
      %q = arith.addf %acc, %p : f32
      scf.yield %q : f32
    }
    return %s : f32
  }
  func.func @blocks(%c: i1, %a: tensor<4x4xf32>) -> tensor<4x4xf32> {
    cf.cond_br %c, ^left, ^right(%a : tensor<4x4xf32>)
  ^left:
    %z = arith.constant dense<0.0> : tensor<4x4xf32>
    %m = linalg.matmul ins(%a, %a : tensor<4x4xf32>, tensor<4x4xf32>) outs(%z : tensor<4x4xf32>) -> tensor<4x4xf32>
    cf.br ^right(%m : tensor<4x4xf32>)
  ^right(%r: tensor<4x4xf32>):
    return %r : tensor<4x4xf32>
  }
  func.func @vectors(%a: vector<4x4xf32>, %b: vector<4x4xf32>, %c: vector<4x4xf32>) -> vector<4x4xf32> {
    %0 = vector.contract {indexing_maps = [affine_map<(i, j, k) -> (i, k)>, affine_map<(i, j, k) -> (k, j)>, affine_map<(i, j, k) -> (i, j)>],
        iterator_types = ["parallel", "parallel", "reduction"], kind = #vector.kind<add>} %a, %b, %c : vector<4x4xf32>, vector<4x4xf32> into vector<4x4xf32>
    return %0 : vector<4x4xf32>
  }
  func.func @scalars(%a: f32, %i: index) -> (f32, index) {
    %0 = math.exp %a : f32
    %1 = affine.apply #map(%i)[%i]
    return %0, %1 : f32, index
  }
  func.func @buffered_product(%a: memref<4x6xf32>, %b: memref<6x5xf32>, %c: memref<4x5xf32>) {
    linalg.matmul ins(%a, %b : memref<4x6xf32>, memref<6x5xf32>) outs(%c : memref<4x5xf32>)
    return
  }
  func.func @generated(%n: index) -> tensor<4xindex> {
    %0 = tensor.generate {
    ^bb0(%i: index):
      %s = arith.addi %i, %n : index
      tensor.yield %s : index
    } : tensor<4xindex>
    return %0 : tensor<4xindex>
  }
  func.func @product(%a: tensor<4x6xf32>, %b: tensor<6x5xf32>) -> tensor<4x5xf32> {
    %z = arith.constant dense<0.0> : tensor<4x5xf32>
    %0 = linalg.matmul ins(%a, %b : tensor<4x6xf32>, tensor<6x5xf32>) outs(%z : tensor<4x5xf32>) -> tensor<4x5xf32>
    return %0 : tensor<4x5xf32>
  }
}
