"""From text to machine code: what the PTX and ptxas's report say, and how failures look."""

import shlex
import subprocess
from unittest.mock import Mock

import pytest

from einnet.codegen.gpu import assemble as assembler
from einnet.codegen.gpu.assemble import Resources, assemble, assemble_all, to_ptx
from einnet.errors import InputError, ToolchainError
from einnet.options import CHIPS
from einnet.toolchain import tools

KERNEL = """
    gpu.func @{name}(%x: memref<1024xf16>, %y: memref<1024xf32>)
        workgroup(%s: memref<256xf32, #gpu.address_space<workgroup>>)
        kernel attributes {{known_block_size = array<i32: 256, 1, 1>}} {{
      %t = gpu.thread_id x
      %c8 = arith.constant 8 : index
      %i = arith.muli %t, %c8 : index
      %v = vector.load %x[%i] {{alignment = 16 : i64}} : memref<1024xf16>, vector<8xf16>
      %h = vector.extract %v[3] : f16 from vector<8xf16>
      %f = arith.extf %h : f16 to f32
      {operation}
      memref.store %r, %s[%t] : memref<256xf32, #gpu.address_space<workgroup>>
      gpu.barrier
      %l = memref.load %s[%c8] : memref<256xf32, #gpu.address_space<workgroup>>
      memref.store %l, %y[%t] : memref<1024xf32>
      gpu.return
    }}"""


def module(*names: str, operation: str = "%r = arith.addf %f, %f : f32") -> str:
    kernels = "".join(KERNEL.format(name=n, operation=operation) for n in names)
    return f"module attributes {{gpu.container_module}} {{ gpu.module @k {{ {kernels} }} }}"


@pytest.mark.parametrize("chip", CHIPS)
def test_a_kernel_becomes_a_cubin(chip: str) -> None:
    binary = assemble(module("f"), chip)
    assert binary.cubin.startswith(b"\x7fELF")
    assert f".target {chip}" in binary.ptx
    assert ".visible .entry f(" in binary.ptx
    assert "st.shared.b32" in binary.ptx
    found = binary.resources["f"]
    assert found == Resources(found.registers, 0, 0, 1024)
    assert 0 < found.registers <= 32


def test_a_module_of_several_kernels() -> None:
    binary = assemble(module("f", "g"), "sm_80")
    assert set(binary.resources) == {"f", "g"}


def test_modules_come_out_in_order() -> None:
    names = [f"f{n}" for n in range(5)]
    binaries = assemble_all([module(n) for n in names], "sm_90a")
    assert [list(b.resources) for b in binaries] == [[n] for n in names]


def test_no_modules() -> None:
    assert assemble_all([], "sm_80") == ()


def test_stack_frames_are_reported() -> None:
    operation = """
      %a = memref.alloca() : memref<64xf32>
      %c64 = arith.constant 64 : index
      %k = arith.remui %t, %c64 : index
      memref.store %f, %a[%k] : memref<64xf32>
      %j = arith.remui %i, %c64 : index
      %r = memref.load %a[%j] : memref<64xf32>"""
    found = assemble(module("f", operation=operation), "sm_80").resources["f"]
    assert found.local_bytes >= 256


@pytest.mark.parametrize(
    ("operation", "instruction"),
    [
        ("math.absf %f : f32", "abs.f32"),
        ("math.fma %f, %f, %f : f32", "fma.rn.f32"),
        ("math.rsqrt %f : f32", "rsqrt.approx.f32"),
        ("math.floor %f : f32", "cvt.rmi."),
        ("arith.maximumf %f, %l0 : f32", "max.NaN.f32"),
        ("arith.divf %l0, %f : f32", "rcp.rn.f32"),
    ],
)
def test_operations_that_are_instructions(operation: str, instruction: str) -> None:
    text = f"%l0 = arith.constant 1.0 : f32\n %r = {operation}"
    assert instruction in assemble(module("f", operation=text), "sm_80").ptx


def test_an_unknown_chip() -> None:
    with pytest.raises(InputError, match="sm_120a") as caught:
        assemble(module("f"), "sm_120a")
    assert "sm_90a" in str(caught.value.hint)


def test_ptxas_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "find", Mock(return_value=None))
    with pytest.raises(ToolchainError, match="ptxas") as caught:
        assemble(module("f"), "sm_80")
    assert "pip install" in str(caught.value.hint)


def test_memory_of_truth_values_is_refused_before_it_aborts() -> None:
    text = module("f").replace("memref<1024xf16>", "memref<1024xi1>")
    with pytest.raises(AssertionError, match="i1"):
        assemble(text, "sm_80")


def test_what_ptxas_refuses_can_be_reproduced() -> None:
    operation = """llvm.inline_asm has_side_effects "bogus;", "" : () -> ()
      %r = arith.addf %f, %f : f32"""
    with pytest.raises(AssertionError, match="bogus") as caught:
        assemble(module("f", operation=operation), "sm_80")
    command = str(caught.value).splitlines()[-1]
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    assert "bogus" in done.stdout + done.stderr


def test_bindings_without_libdevice() -> None:
    ptx = to_ptx(module("f"), assembler.lowering_pipeline("sm_80"))
    ptx = ptx.replace(
        ".visible .entry",
        ".extern .func (.param .b32 r) __nv_expf (.param .b32 x);\n.visible .entry",
        1,
    )
    with pytest.raises(ToolchainError, match="__nv_expf") as caught:
        assembler.assemble_ptx(ptx, "sm_80")
    assert "CUDA_HOME" in str(caught.value.hint)
