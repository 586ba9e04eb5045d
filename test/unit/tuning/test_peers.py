"""Peers: what they refuse is not our bug."""

from pathlib import Path

import pytest

from einnet.errors import ToolchainError
from einnet.tuning.peers import onnxruntime_runner


@pytest.mark.parametrize("content", [b"", b"this is no model"])
def test_a_model_that_onnx_runtime_refuses(tmp_path: Path, content: bytes):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ToolchainError, match="does not take the model") as caught:
        onnxruntime_runner(tmp_path / "m.onnx", 1, {})
    assert str(caught.value.location) == str(tmp_path / "m.onnx")
