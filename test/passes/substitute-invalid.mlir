// RUN: not einnet-opt %s --einnet-substitute="label=p with=t=d0+d2" 2>&1 | FileCheck %s --check-prefix=MIXED
// RUN: not einnet-opt %s --einnet-substitute="label=p with=t=2*d0" 2>&1 | FileCheck %s --check-prefix=SOLVE
// RUN: not einnet-opt %s --einnet-substitute="label=p with=t=d0+d7" 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not einnet-opt %s --einnet-substitute="label=p with=t=d0,t=d1" 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not einnet-opt %s --einnet-substitute="label=p with=d1=d0" 2>&1 | FileCheck %s --check-prefix=TAKEN

// MIXED: substitute-invalid.mlir:[[#LINE:]]:8: error: einnet-substitute does not apply to 'linalg.matmul': t = d0+d2 uses a summation iterator; split the sum first
// MIXED-NEXT: hint: the operation is L<d0:4,d1:6> S<d2:5> t0[d0,d2] * t1[d2,d1]
// SOLVE: error: einnet-substitute does not apply to 'linalg.matmul': 2*d0 has no iterator with coefficient 1 or -1 to solve for
// UNKNOWN: error: {{.*}}: in 't=d0+d7': unknown iterator 'd7'; this scope has: d0, d1, d2
// TWICE: error: {{.*}}: a new iterator is given twice
// TAKEN: error: {{.*}}: the new iterator d1 has the name of one that stays

func.func @product(%a: tensor<4x5xf32>, %b: tensor<5x6xf32>) -> tensor<4x6xf32> {
  %zero = arith.constant dense<0.0> : tensor<4x6xf32>
  %p = linalg.matmul {einnet.label = "p"} ins(%a, %b : tensor<4x5xf32>, tensor<5x6xf32>)
      outs(%zero : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %p : tensor<4x6xf32>
}
