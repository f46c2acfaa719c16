"""Polishing changes the decoder and nothing that codes or vectors depend on."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.nano_duplex.codec import Codec  # noqa: E402
from training.nano_duplex.codec_shards import AGENT  # noqa: E402
from training.nano_duplex.polish_codec import run  # noqa: E402
from training.nano_duplex.store import rounded  # noqa: E402
from training.nano_duplex.train_codec import read_checkpoint  # noqa: E402


def test_polishing_leaves_codes_and_vectors_as_they_are(tmp_path):
    saw = (np.arange(64 * 240) * 97 % 8000 - 4000).astype(np.int16)
    for split in ("train", "valid"):
        (tmp_path / split).mkdir()
        np.savez(
            tmp_path / split / "000.npz", pcm=saw, phones=np.ones(64, np.uint8),
            offsets=np.array([0, len(saw)]), role=np.array([AGENT]), text=np.array(["one"]),
            voice=np.array(["flite.rms.t1.p1.s1"]),
        )  # fmt: skip
    torch.manual_seed(1)
    before = Codec(4)
    state = {"codec": before.state_dict(), "phones": 4, "step": 9, "seed": 7}
    torch.save({**state, "seconds": 60.0, "spoken_s": 3600.0}, tmp_path / "one.pt")
    run(
        argparse.Namespace(
            checkpoint=tmp_path / "one.pt", out=tmp_path / "two.pt", data=tmp_path, minutes=1.0,
            steps=2, seed=1, batch=2, frames=6, threads=1,
        )
    )  # fmt: skip
    after, told = read_checkpoint(tmp_path / "two.pt")
    assert told["steps"] == 9 and told["polish_steps"] == 2
    kept = rounded(before).state_dict()
    changed = {n for n, weight in after.state_dict().items() if not torch.equal(weight, kept[n])}
    assert changed and all(name.startswith("decoder.") for name in changed)
