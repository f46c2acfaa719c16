"""The torch adapter on tiny synthetic weights; torch is optional, so these are skipped without."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from pipelines.process import environment

ROOT = Path(__file__).parents[4]
CHILD = Path(__file__).with_name("moshi_torch_child.py")


@pytest.fixture(scope="module")
def moshi_torch_python():
    python = environment.find("moshi-torch")
    if python is None:
        pytest.skip(
            "the engine environment moshi-torch is not built; a run of duplex-torch-tiny builds it,"
            " or name a Python that has it by DUPLEX_LAB_MOSHI_TORCH_PYTHON"
        )
    return python


@pytest.fixture(scope="module")
def found(moshi_torch_python, tiny_weights):
    done = subprocess.run(
        [moshi_torch_python, CHILD, json.dumps(tiny_weights.options)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_every_step_but_the_first_says_a_frame(found):
    assert found["no_audio_in_steps"] == [0]
    assert found["shapes"] == [[1920]]


def test_the_same_seed_gives_the_same_samples_whatever_was_before(found):
    assert found["same_seed"] and found["after_say"]
    assert not found["other_seed"]


def test_forced_text_comes_out_in_order_one_token_a_frame(found):
    assert found["forced"] == [[i + 1, token] for i, token in enumerate(found["wanted"])]
    assert found["forced_text"].strip() == "how are you?"


def test_the_floor_is_160_ms(found):
    assert found["floor"] == [160.0, 1, [1, 1, 0]]


def test_the_end_of_the_context_is_reported(found):
    assert found["context_end"] == "the context of 2 steps is full"


def test_a_batch_of_two_steps_like_two_singles(found):
    """The language model, on the same codes. The codec's sums are ordered otherwise in a batch,
    and a last bit can flip a code of a late codebook."""
    assert found["batch_of_two_is_two_singles"]


def test_a_session_of_a_batch_says_the_same_beside_another_as_alone(found):
    assert found["together_as_alone"]


def test_a_precision_that_torch_lacks_is_one_sentence(tiny_weights):
    from pipelines.duplex.moshi.torch import MoshiTorch
    from pipelines.process.engine import EngineError

    with pytest.raises(EngineError, match="'q4' is not for backend = 'torch'"):
        MoshiTorch(**tiny_weights.options, precision="q4").load()


def test_a_truncated_file_is_reported_before_torch_meets_it(copied_weights, tiny_weights):
    from pipelines.duplex.moshi.torch import MoshiTorch
    from pipelines.weights.error import WeightsError

    folder = copied_weights(tiny_weights.lm.name)
    short = folder / tiny_weights.lm.name
    short.write_bytes(tiny_weights.lm.read_bytes()[:1_000_000])
    with pytest.raises(WeightsError, match="truncated"):
        MoshiTorch(**{**tiny_weights.options, "lm": str(short)}).load()
