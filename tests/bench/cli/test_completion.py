"""The shell completes commands, and the names that their parameters take."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def completed(words):
    environment = {
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
        "_DUPLEX_LAB_COMPLETE": "complete_bash",
    }
    code = "import sys; sys.argv = ['duplex-lab']; from bench.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("duplex-lab pres", ["presets"]),
        ("duplex-lab presets show cascade-emb", ["cascade-embedded"]),
        ("duplex-lab run --presets cascade-stock,cascade-emb", ["cascade-stock,cascade-embedded"]),
        ("duplex-lab run --fixtures greet_g", ["greet_goodbye"]),
        ("duplex-lab history voice_to_voice_l", ["voice_to_voice_logged"]),
        ("duplex-lab show results/s", ["results/sample"]),
        ("duplex-lab engines build moshi-m", ["moshi-mlx"]),
        ("duplex-lab models fetch moshiko-mlx@q4", ["moshiko-mlx@q4"]),
    ],
)
def test_what_was_begun_goes_on(words, found):
    assert completed(words) == found
