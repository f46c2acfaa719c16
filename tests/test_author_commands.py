"""Commands for authors and students: a wrong word is one sentence, and the exit code says so."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.authoring import author
from labs.lab5a_cascade.measuring import FEW, measure

ROOT = Path(__file__).parents[1]


def ran(*words):
    """(exit code, stderr) of ``python -m WORDS``, at the repository's root."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_the_maker_of_the_fixtures_has_a_help_and_makes_nothing(capsys):
    with pytest.raises(SystemExit) as ended:
        author.asked(["--help"])
    assert ended.value.code == 0
    assert "imported ones stay" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("missing", ["folder", "flite"])
def test_the_maker_of_the_fixtures_says_what_is_missing_before_it_removes_any(
    missing, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / "gone" if missing == "folder" else tmp_path
    with pytest.raises(SystemExit) as ended:
        author.asked([str(folder)])
    told = {"folder": "gone is no folder", "flite": "flite is not installed"}[missing]
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_pair_with_a_preset_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        measure("pair", ["gone.toml"], FEW)
    assert "gone.toml" in str(ended.value.code)
    assert "\n" not in str(ended.value.code)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")
@pytest.mark.parametrize(
    "command", ["training.nano_duplex.train_lm", "training.creature_llm.train"]
)
def test_training_without_torch_is_one_sentence(command):
    code, told = ran(command)
    assert code == 1
    assert told == (
        "torch is not installed: uv pip install --python .venv/bin/python -e '.[training]' "
        "installs what the training needs.\n"
    )
