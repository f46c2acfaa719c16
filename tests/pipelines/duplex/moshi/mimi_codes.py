"""Run by an engine environment: prints the codes that one implementation of Mimi gives, as JSON.

``mimi_codes.py rustymimi|mlx|torch MIMI WAV FRAMES``
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

from pipelines.duplex.moshi.weights.mimi import read_audio


def codes(which, mimi, frames):
    """(frames, 8) of a new codec."""
    if which == "rustymimi":
        import rustymimi

        codec = rustymimi.Tokenizer(mimi, num_codebooks=8)
        return [codec.encode_step(np.ascontiguousarray(f))[0, :, 0] for f in frames]
    if which == "mlx":
        import mlx.core as mx
        from moshi_mlx.models import mimi as mlx_mimi

        mx.set_default_device(mx.cpu)
        codec = mlx_mimi.Mimi(mlx_mimi.mimi_202407(32))
        codec.load_pytorch_weights(mimi, strict=True)
        return [np.array(codec.encode_step(mx.array(f)))[0, :8, 0] for f in frames]
    os.environ["NO_TORCH_COMPILE"] = "1"
    import torch
    from moshi.models import loaders

    codec = loaders.get_mimi(mimi, num_codebooks=8)
    with torch.no_grad(), codec.streaming(1):
        return [codec.encode(torch.from_numpy(f))[0, :, 0].numpy() for f in frames]


def main(which, mimi, wav, frames):
    pcm = read_audio([Path(wav)], int(frames) * 0.08).reshape(-1, 1, 1, 1920)
    print(json.dumps(np.array(codes(which, mimi, pcm)).astype(int).tolist()))


if __name__ == "__main__":
    main(*sys.argv[1:])
