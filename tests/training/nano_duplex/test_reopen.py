"""Exported weights become checkpoints again: the same numbers, as far as a graph keeps them."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch trains; the product has none")

from pipelines.duplex.nano.ear import NanoEar  # noqa: E402
from training.nano_duplex import make, reopen  # noqa: E402
from training.nano_duplex.codec import Carry, Shape, Sound  # noqa: E402
from training.nano_duplex.ear import Ear  # noqa: E402
from training.nano_duplex.export_ear import write as write_ear  # noqa: E402
from training.nano_duplex.export_lm import export, rounded  # noqa: E402
from training.nano_duplex.lm import Lm, LmSizes  # noqa: E402
from training.nano_duplex.make import TINY_CODEC, TINY_READER, untrained  # noqa: E402
from training.nano_duplex.reader import ReaderShape  # noqa: E402
from training.nano_duplex.reference import compare  # noqa: E402
from training.nano_duplex.store import rounded as halved  # noqa: E402
from training.nano_duplex.train_lm import load_lm  # noqa: E402

torch.set_num_threads(1)


def scattered(module):
    """Every weight random: the exporter keeps what is alike (scales of 1) only once."""
    for weight in module.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return module.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("weights")
    untrained(["--out", str(out), "--tiny", "--seed", "3"])
    sizes = json.loads((out / "nano.json").read_text())["sizes"]
    torch.manual_seed(5)
    export(rounded(scattered(Lm(LmSizes(**sizes)))), out / "lm.onnx")
    ear = Ear(2, len(make.TINY_WORDS), Shape(**TINY_CODEC), ReaderShape(**TINY_READER))
    write_ear(halved(scattered(ear)), make.TINY_WORDS, out)
    return out


def test_the_language_model_says_what_its_graph_says(folder):
    lm, _ = reopen.lm_of(folder)
    assert compare(lm.eval(), folder) < 1e-4


def test_every_weight_of_the_language_model_is_the_rounded_one(folder, tmp_path):
    lm, card = reopen.lm_of(folder)
    again = {name: weight.clone() for name, weight in lm.state_dict().items()}
    assert set(again) == set(Lm(lm.sizes).state_dict())
    # Rounding a second time changes nothing: what was kept is what can be kept.
    for name, weight in rounded(lm).state_dict().items():
        assert torch.allclose(weight, again[name], rtol=1e-6, atol=0), name
    assert card["sizes"]["dim"] == 16


def test_the_ear_hears_what_its_graph_hears(folder):
    ear, words = reopen.ear_of(folder, Shape(**TINY_CODEC), ReaderShape(**TINY_READER))
    assert words == list(make.TINY_WORDS)
    pcm = np.random.default_rng(1).standard_normal(1920 * 50).astype(np.float32) * 0.05
    with torch.no_grad():
        mine = ear(Sound().log_mel(torch.from_numpy(pcm)[None]), Carry())[0].numpy()
    assert np.abs(mine - NanoEar(folder).hear(pcm)).max() < 1e-4


def test_the_shipped_weights_reopen_as_checkpoints(tmp_path):
    reopen.main(["--out", str(tmp_path)])
    lm, state = load_lm(tmp_path / "lm.pt")
    assert state["done"] == ["speak", "joint"] and lm.sizes.vector == 504
    assert compare(lm.eval(), reopen.PACKAGED) < 1e-3
    ear = torch.load(tmp_path / "ear.pt", weights_only=True)
    assert len(ear["vocabulary"]) == 407 and ear["phones"] == 42


def test_a_graph_of_another_code_is_refused(folder, monkeypatch):
    found = reopen.kept(folder / "lm.onnx")
    monkeypatch.setattr(
        reopen, "kept", lambda path: {k: v for k, v in found.items() if k != "lm.norm.weight"}
    )
    with pytest.raises(SystemExit, match=r"the graph lacks norm\.weight"):
        reopen.lm_of(folder)
