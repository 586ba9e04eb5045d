"""DCGAN's generator from ONNX to numbers on the CPU, beside ONNX Runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from einnet.cli.main import main

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "dcgan.py"


def test_dcgan_is_imported_and_computes_what_onnx_runtime_does(tmp_path: Path):
    model, artifact = tmp_path / "dcgan.onnx", tmp_path / "dcgan.einnet"
    command = [sys.executable, str(EXAMPLE), "--batch", "1", "-o", str(model)]
    subprocess.run(command, check=True, capture_output=True)
    latent = np.random.default_rng(0).standard_normal((1, 100, 1, 1), np.float32)
    np.save(tmp_path / "latent.npy", latent)

    assert main(["import", str(model), "-o", str(tmp_path / "dcgan.mlir")]) == 0
    assert main(["compile", str(model), "-o", str(artifact)]) == 0
    image = tmp_path / "image.npy"
    arguments = ["--input", str(tmp_path / "latent.npy"), "--output", str(image)]
    assert main(["run", str(artifact), *arguments]) == 0

    session = onnxruntime.InferenceSession(model.read_bytes())
    (expected,) = session.run(None, {"latent": latent})
    np.testing.assert_allclose(np.load(image), np.asarray(expected), rtol=0, atol=2e-5)
