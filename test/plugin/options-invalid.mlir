// REQUIRES: plugin
// RUN: not %plugin-opt %s --pass-pipeline="builtin.module(einnet-optimize{python=%python target=abacus})" 2>&1 | FileCheck %s --check-prefix=VALUE
// RUN: not %plugin-opt %s --pass-pipeline="builtin.module(einnet-optimize{python=%python sede=1})" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not %plugin-opt %s --pass-pipeline="builtin.module(einnet-optimize{python=%python seed=x})" 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not %plugin-opt %s --pass-pipeline="builtin.module(func.func(einnet-optimize))" 2>&1 | FileCheck %s --check-prefix=NESTED

// VALUE: options-invalid.mlir:{{.*}}: error: unknown target 'abacus'
// VALUE: note: targets: cpu
// NAME: no such option sede
// NUMBER: for the --seed option: 'x' value invalid
// NESTED: 'einnet-optimize' restricted to 'builtin.module'

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
