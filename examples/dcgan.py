"""The generator of DCGAN (Radford et al., 2016) as in EinNet's evaluation: 100 codes -> 3x64x64.

python examples/dcgan.py --batch 16 -o dcgan.onnx
"""

from __future__ import annotations

import onnx

import gan

LAYERS = (
    gan.Layer(100, 512, kernel=4, stride=1, pad=0),
    gan.Layer(512, 256, kernel=4, stride=2, pad=1),
    gan.Layer(256, 128, kernel=4, stride=2, pad=1),
    gan.Layer(128, 64, kernel=4, stride=2, pad=1),
    gan.Layer(64, 3, kernel=4, stride=2, pad=1),
)


def build(batch: int | None = 1, seed: int = 0) -> onnx.ModelProto:
    """DCGAN's generator: `latent` [batch, 100, 1, 1] -> `image` [batch, 3, 64, 64]."""
    return gan.build("dcgan", LAYERS, batch, seed)


if __name__ == "__main__":
    gan.write("dcgan", LAYERS)
