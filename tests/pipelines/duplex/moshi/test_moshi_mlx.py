"""Moshi by moshi_mlx, with the tiny weights, in its engine environment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.process import environment

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
WAV = ROOT / "fixtures" / "cmd_red_block_window.wav"


def run(python, script, *arguments):
    environ = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    command = [python, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def facts(moshi_mlx_python, tiny_weights):
    w = tiny_weights
    return run(moshi_mlx_python, "moshi_mlx_facts.py", w.config, w.lm, w.mimi, w.tokenizer, WAV)


def test_every_frame_gives_a_frame_once_the_acoustic_delay_has_passed(facts):
    assert facts["shapes"] == [None] * 1 + [[1920, "float32"]] * (facts["frames"] - 1)
    assert facts["ids"] == [1] + [9] * (facts["frames"] - 1)
    assert facts["spans"] == [["encode", "step"]] + [["decode", "encode", "step"]] * 2


def test_a_greeting_is_forced_from_the_first_frame_on_one_token_a_frame(facts):
    wanted = facts["wanted"]
    assert len(wanted) == 7
    assert facts["greeting_ids"][:7] == wanted
    assert facts["greeting_text"].startswith(" put the red block on the table")


def test_what_is_said_in_mid_conversation_comes_out_in_order(facts):
    assert facts["said_ids"][2:9] == facts["wanted"]


def test_two_sessions_with_the_same_seed_and_input_give_the_same_samples(facts):
    assert facts["same"] and facts["same_ids"]
    assert facts["other_seed_differs"]


def test_the_floor_is_two_frames_for_the_sound_and_three_for_its_first_codebook(facts):
    # moshi_mlx reads user frame t at step t+1. That step makes the first codebook of frame t+1,
    # emitted at t+2, but also the other codebooks of frame t, which is emitted at once.
    assert facts["floor"] == {"sound": 2, "first_codebook": 3}


def test_the_contexts_end_is_no_value_error(facts):
    assert facts["context_end"] == "the context of 3 steps is full"


def test_a_second_session_is_refused(facts):
    assert facts["second_session"].startswith("moshi_mlx has one session at a time")


def test_one_codec_file_gives_the_same_codes_everywhere(moshi_mlx_python, tiny_weights):
    frames = 8
    mimi = tiny_weights.mimi
    rust = np.array(run(moshi_mlx_python, "mimi_codes.py", "rustymimi", mimi, WAV, frames))
    assert rust.shape == (frames, 8)
    assert len(np.unique(rust[:, 0])) > 4  # they vary with the audio
    mlx = np.array(run(moshi_mlx_python, "mimi_codes.py", "mlx", mimi, WAV, frames))
    # moshi_mlx's codec approximates GELU, so now and then another entry is the nearest.
    assert (mlx != rust).mean() < 0.1
    if (torch := environment.find("moshi-torch")) is not None:
        exact = np.array(run(torch, "mimi_codes.py", "torch", mimi, WAV, frames))
        assert (exact != rust).mean() < 0.02


def test_the_adapter_is_imported_without_the_engine():
    code = "import pipelines.duplex.moshi.mlx, sys; print('mlx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
