"""Optimized modules of the form that the CPU target gets, for a transposed convolution.

`Y[n,y,x,f] = relu(shift[f] + sum_{c,r,s} X[n,h,w,c] W[c,f,r,s])` over the `h, r` with
`y = stride h + r - pad`, as a product with prepared weights and an offset-add: the sum over `r` has
at most `ceil(kernel / stride)` terms, read with a guard where they leave the product's range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from mlir import ir
from mlir.dialects import llvm
from numpy.typing import NDArray

from einnet.codegen.cpu.jit import Executable
from einnet.codegen.cpu.lower import lower
from einnet.codegen.cpu.target import make_target
from einnet.toolchain import tools
from einnet.toolchain.child import run_child

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TransposedConvolution:
    n: int
    c: int
    f: int
    height: int
    kernel: int = 4
    stride: int = 2
    pad: int = 1
    activation: str = "relu"

    @property
    def out(self) -> int:
        return (self.height - 1) * self.stride + self.kernel - 2 * self.pad

    @property
    def taps(self) -> int:
        return -(-self.kernel // self.stride)

    def arrays(self, seed: int = 0) -> tuple[Floats, Floats, Floats]:
        """X (n,h,w,c), W (c,f,r,s), shift (f)."""
        generator = np.random.default_rng(seed)
        k = self.kernel
        x = generator.standard_normal((self.n, self.height, self.height, self.c), np.float32)
        w = generator.standard_normal((self.c, self.f, k, k), np.float32) / np.float32(self.c)
        return x, w, generator.standard_normal(self.f, np.float32)

    def reference(self, x: Floats, w: Floats, shift: Floats) -> NDArray[np.float64]:
        """By scattering each input element, in double precision."""
        size, p = self.out, self.pad
        padded = np.zeros((self.n, size + 2 * p, size + 2 * p, self.f))
        x64, w64 = x.astype(np.float64), w.astype(np.float64)
        extent = self.stride * (self.height - 1) + 1
        for r in range(self.kernel):
            for s in range(self.kernel):
                term = np.einsum("nhwc,cf->nhwf", x64, w64[:, :, r, s])
                padded[:, r : r + extent : self.stride, s : s + extent : self.stride] += term
        y = padded[:, p : p + size, p : p + size] + shift
        return np.maximum(y, 0) if self.activation == "relu" else np.tanh(y)

    def module(self) -> str:
        n, c, f, h, k, o = self.n, self.c, self.f, self.height, self.kernel, self.out
        rows, columns = n * h * h, k * k * f
        product = f"tensor<{n}x{h}x{h}x{k}x{k}x{f}xf32>"
        return f"""
func.func @prepare(%w: tensor<{c}x{f}x{k}x{k}xf32> {{einnet.weight = "w"}})
    -> tensor<{c}x{k}x{k}x{f}xf32> {{
  %e = tensor.empty() : tensor<{c}x{k}x{k}x{f}xf32>
  %t = linalg.transpose ins(%w : tensor<{c}x{f}x{k}x{k}xf32>)
    outs(%e : tensor<{c}x{k}x{k}x{f}xf32>) permutation = [0, 2, 3, 1]
  return %t : tensor<{c}x{k}x{k}x{f}xf32>
}}
func.func @main(%x: tensor<{n}x{h}x{h}x{c}xf32> {{einnet.name = "x"}},
    %wt: tensor<{c}x{k}x{k}x{f}xf32> {{einnet.constant = 0 : i64}},
    %shift: tensor<{f}xf32> {{einnet.weight = "shift"}})
    -> (tensor<{n}x{o}x{o}x{f}xf32> {{einnet.name = "y"}}) {{
  %zero = arith.constant 0.0 : f32
  %a = tensor.collapse_shape %x [[0, 1, 2], [3]]
    : tensor<{n}x{h}x{h}x{c}xf32> into tensor<{rows}x{c}xf32>
  %b = tensor.collapse_shape %wt [[0], [1, 2, 3]]
    : tensor<{c}x{k}x{k}x{f}xf32> into tensor<{c}x{columns}xf32>
  %pe = tensor.empty() : tensor<{rows}x{columns}xf32>
  %pz = linalg.fill ins(%zero : f32) outs(%pe : tensor<{rows}x{columns}xf32>)
    -> tensor<{rows}x{columns}xf32>
  %p0 = linalg.matmul {{einnet.library = "blas", einnet.kernel = 0 : i64}}
    ins(%a, %b : tensor<{rows}x{c}xf32>, tensor<{c}x{columns}xf32>)
    outs(%pz : tensor<{rows}x{columns}xf32>) -> tensor<{rows}x{columns}xf32>
  %p = tensor.expand_shape %p0 [[0, 1, 2], [3, 4, 5]] output_shape [{n}, {h}, {h}, {k}, {k}, {f}]
    : tensor<{rows}x{columns}xf32> into {product}
  %ye = tensor.empty() : tensor<{n}x{o}x{o}x{f}xf32>
  %y = linalg.generic {{einnet.kernel = 1 : i64, indexing_maps = [
      affine_map<(n, y, x, f) -> (f)>, affine_map<(n, y, x, f) -> (n, y, x, f)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}}
      ins(%shift : tensor<{f}xf32>) outs(%ye : tensor<{n}x{o}x{o}x{f}xf32>) {{
    ^bb0(%s: f32, %ignored: f32):
      %in = linalg.index 0 : index
      %iy = linalg.index 1 : index
      %ix = linalg.index 2 : index
      %if = linalg.index 3 : index
      %c0 = arith.constant 0 : index
      %last = arith.constant {h - 1} : index
      %stride = arith.constant {self.stride} : index
      %pad = arith.constant {self.pad} : index
      %py = arith.addi %iy, %pad : index
      %px = arith.addi %ix, %pad : index
      %hy = arith.floordivsi %py, %stride : index
      %hx = arith.floordivsi %px, %stride : index
{self._terms(product)}
      %sum = arith.addf %acc{self.taps**2}, %s : f32
      {self._activation()}
      linalg.yield %act : f32
  }} -> tensor<{n}x{o}x{o}x{f}xf32>
  return %y : tensor<{n}x{o}x{o}x{f}xf32>
}}
"""

    def _terms(self, product: str) -> str:
        lines = ["      %acc0 = arith.constant 0.0 : f32"]
        number = 0
        for dy in range(self.taps):
            for dx in range(self.taps):
                i = number
                number += 1
                guards: list[str] = []
                for axis, delta in (("y", dy), ("x", dx)):
                    # h = (y + pad) floordiv stride - delta, r = y + pad - stride h
                    lines += [
                        f"%d{axis}{i} = arith.constant {delta} : index",
                        f"%h{axis}{i} = arith.subi %h{axis}, %d{axis}{i} : index",
                        f"%m{axis}{i} = arith.muli %h{axis}{i}, %stride : index",
                        f"%r{axis}{i} = arith.subi %p{axis}, %m{axis}{i} : index",
                        f"%k{axis}{i} = arith.constant {self.kernel} : index",
                        f"%g0{axis}{i} = arith.cmpi sge, %h{axis}{i}, %c0 : index",
                        f"%g1{axis}{i} = arith.cmpi sle, %h{axis}{i}, %last : index",
                        f"%g2{axis}{i} = arith.cmpi slt, %r{axis}{i}, %k{axis}{i} : index",
                        f"%u{axis}{i} = arith.maxsi %h{axis}{i}, %c0 : index",
                        f"%v{axis}{i} = arith.minsi %u{axis}{i}, %last : index",
                        f"%e{axis}{i} = arith.constant {self.kernel - 1} : index",
                        f"%q{axis}{i} = arith.minsi %r{axis}{i}, %e{axis}{i} : index",
                    ]
                    guards += [f"%g0{axis}{i}", f"%g1{axis}{i}", f"%g2{axis}{i}"]
                lines.append(f"%and{i}_0 = arith.andi {guards[0]}, {guards[1]} : i1")
                for j, guard in enumerate(guards[2:]):
                    lines.append(f"%and{i}_{j + 1} = arith.andi %and{i}_{j}, {guard} : i1")
                lines += [
                    f"%t{i} = tensor.extract %p[%in, %vy{i}, %vx{i}, %qy{i}, %qx{i}, %if]"
                    f" : {product}",
                    f"%z{i} = arith.select %and{i}_{len(guards) - 2}, %t{i}, %zero : f32",
                    f"%acc{i + 1} = arith.addf %acc{i}, %z{i} : f32",
                ]
        return "\n      ".join(lines)

    def _activation(self) -> str:
        if self.activation == "relu":
            return "%act = arith.maximumf %sum, %zero : f32"
        return "%act = math.tanh %sum : f32"


@pytest.mark.parametrize(
    "operator",
    [
        TransposedConvolution(n=2, c=5, f=3, height=4, activation="tanh"),
        TransposedConvolution(n=1, c=8, f=16, height=3),
        TransposedConvolution(n=3, c=7, f=9, height=3, kernel=3, stride=2, pad=0),
        TransposedConvolution(n=2, c=4, f=5, height=4, kernel=5, stride=3, pad=2),
        TransposedConvolution(n=16, c=64, f=3, height=16, activation="tanh"),
    ],
    ids=str,
)
def test_product_and_offset_add(operator: TransposedConvolution) -> None:
    executable = Executable(lower(operator.module()))
    x, w, shift = operator.arrays()
    stored = executable.stored({"w": w, "shift": shift})
    (y,) = executable(x, *stored)
    np.testing.assert_allclose(y, operator.reference(x, w, shift), atol=2e-6 * np.sqrt(operator.c))


def test_a_product_neither_fills_nor_copies() -> None:
    text = lower(TransposedConvolution(n=2, c=5, f=16, height=4).module()).text
    main = text[text.index("@einnet_main_body") :]
    main = main[: main.index("llvm.func @einnet_main(")]
    assert main.count("llvm.call @scipy_cblas_sgemm(") == 1
    assert "memcpy" not in main
    # Four loops, those of the offset-add, have one back edge each.
    assert main.count("llvm.cond_br") == 4


def test_the_offset_add_is_vectorized(tmp_path_factory: pytest.TempPathFactory) -> None:
    lowered = lower(TransposedConvolution(n=2, c=5, f=64, height=4).module())
    with ir.Context():
        module = ir.Module.parse(lowered.text)
        text = llvm.translate_module_to_llvmir(  # pyright: ignore[reportAttributeAccessIssue]
            module.operation
        )
    source = tmp_path_factory.mktemp("ir") / "program.ll"
    source.write_text(text)
    target = make_target("x86-64-v3")
    opt = str(tools.require("opt").path)
    command = [opt, "-O3", "-S", f"-mtriple={target.machine}-linux-gnu", f"-mcpu={target.cpu}"]
    optimized = run_child([*command, str(source)]).stdout
    main = optimized[optimized.index("@einnet_main_body") :]
    assert "fadd contract <8 x float>" in main
    assert "store <8 x float>" in main
    assert "vector.memcheck" not in main  # noalias makes run-time overlap checks superfluous
