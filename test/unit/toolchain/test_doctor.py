from pathlib import Path

import pytest

from einnet.toolchain import doctor, tools


def no_packages(_: str) -> tuple[Path, ...]:
    return ()


def test_a_remedy_goes_with_what_is_missing_only():
    findings = doctor.examine()
    assert len({finding.name for finding in findings}) == len(findings)
    for finding in findings:
        assert bool(finding.remedy) != finding.ok, finding
        assert finding.path is None or finding.path.exists(), finding


def test_everything_required_is_here():
    missing = [item for item in doctor.examine() if item.required and not item.ok]
    assert not missing


def test_missing_and_outdated_parts_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("einnet.toolchain.mlir.version", lambda: "21.1.0")
    program = tmp_path / "llc"
    program.write_text("#!/bin/sh\necho '  LLVM version 21.1.0'\n")
    program.chmod(0o755)
    monkeypatch.setattr(tools, "package_folders", no_packages)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    findings = {finding.name: finding for finding in doctor.examine()}
    for name, version in (("mlir (Python)", "21.1.0"), ("llc", "21.1.0"), ("mlir-opt", None)):
        assert not findings[name].ok
        assert findings[name].version == version
        assert "==22." in findings[name].remedy
    assert not findings["openblas"].ok


def test_driver_is_read_from_proc(tmp_path: Path):
    assert not doctor._driver(tmp_path).ok
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Release\nGCC version: 12.2.0\n"
    )
    found = doctor._driver(tmp_path)
    assert (found.ok, found.version) == (True, "570.86.15")


def test_environment_holds_the_versions_of_what_was_found(tmp_path: Path):
    found = doctor.environment()
    parts = found["parts"]
    assert isinstance(parts, dict)
    assert str(parts["mlir (Python)"]).startswith("22.")
    assert None not in parts.values()
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name : Some: CPU\n")
    assert doctor._processor(tmp_path / "cpuinfo") == "Some: CPU"
