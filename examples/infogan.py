"""The generator of InfoGAN (Chen et al., 2016) as in EinNet's evaluation: 228 codes -> 3x32x32.

python examples/infogan.py --batch 16 -o infogan.onnx
"""

from __future__ import annotations

import onnx

import gan

LAYERS = (
    gan.Layer(228, 448, kernel=2, stride=1, pad=0),
    gan.Layer(448, 256, kernel=4, stride=2, pad=1),
    gan.Layer(256, 128, kernel=4, stride=2, pad=1),
    gan.Layer(128, 64, kernel=4, stride=2, pad=1),
    gan.Layer(64, 3, kernel=4, stride=2, pad=1),
)


def build(batch: int | None = 1, seed: int = 0) -> onnx.ModelProto:
    """InfoGAN's generator: `latent` [batch, 228, 1, 1] -> `image` [batch, 3, 32, 32]."""
    return gan.build("infogan", LAYERS, batch, seed)


if __name__ == "__main__":
    gan.write("infogan", LAYERS)
