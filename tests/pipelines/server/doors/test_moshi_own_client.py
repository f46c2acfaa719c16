"""Moshi's own Python client talks to duplex-nano at ``/api/chat``.

It comes with the package moshi, from the engine environment moshi-torch, which is built on request.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from bench.fixtures.library import read_pcm, select
from bench.probes.served import served
from pipelines.audio.resample import resample
from pipelines.process import environment

pytestmark = pytest.mark.unhurried
CLIENT = Path(__file__).with_name("moshi_without_sound.py")


@pytest.fixture(scope="module")
def python():
    found = environment.find("moshi-torch")
    if found is None:
        pytest.skip(
            "the engine environment moshi-torch is not built: duplex-lab engines build moshi-torch"
        )
    return found


def test_it_hears_an_answer_and_prints_its_words(python, tmp_path):
    (fixture,) = select("cmd_toy_car")
    turn = fixture.turns[0]
    pcm = resample(read_pcm(turn), turn.rate_hz, 24_000)
    np.pad(pcm, (24_000, 5 * 24_000)).tofile(tmp_path / "in.raw")
    with served("duplex-nano", "--seats", "1") as (url, _):
        port = url.rpartition(":")[2]
        command = [python, str(CLIENT), str(tmp_path / "in.raw"), str(tmp_path / "out.raw")]
        done = subprocess.run(
            [*command, "--host", "127.0.0.1", "--port", port],
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
    assert done.returncode == 0 and "connected!" in done.stderr, done.stdout + done.stderr
    assert "i will bring the orange toy car to the bed" in done.stdout
    heard = np.fromfile(tmp_path / "out.raw", np.int16)
    assert np.abs(heard.astype(np.int32)).max() > 3_000
