"""The scripts that measure engines: what they refuse, and the arithmetic of what they print."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

SCRIPTS = Path(__file__).parents[1] / "scripts"


def script(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def window():
    return script("whisper_window_cost")


def test_words_are_counted_without_case_and_punctuation(window):
    assert window.words_of("Bring me the CUP, it's green!") == (
        "bring", "me", "the", "cup", "it's", "green"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [("a b c", "a b c", 0), ("a b c", "a c", 1), ("a b", "a x b", 1), ("a b c", "", 3),
     ("a b c", "x b y z", 3)],
)  # fmt: skip
def test_errors_are_the_least_edits(window, said, heard, wrong):
    assert window.errors(tuple(said.split()), tuple(heard.split())) == wrong


def test_the_difference_of_equals_is_nothing_and_of_unequals_is_their_distance(window):
    assert window.difference([1, 2, 3], [1, 2, 3], [10, 10, 10]) == (0.0, 0.0, 0.0)
    mean, low, high = window.difference([0] * 20, [1] * 20, [10] * 20)
    assert (mean, low, high) == pytest.approx((0.1, 0.1, 0.1))


def test_random_weights_understand_nothing_and_are_refused(window, capsys):
    assert window.main(["synthetic:micro"]) == 2
    assert "has random weights, which understand nothing" in capsys.readouterr().err
    assert window.main(["/no/such/whisper"]) == 2
    assert "no file or folder /no/such/whisper" in capsys.readouterr().err


def test_recordings_come_with_their_words(window, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000, np.int16), 8000)
    (tmp_path / "a.txt").write_text("Go home.")
    soundfile.write(tmp_path / "b.wav", np.zeros(8000, np.int16), 8000)
    (piece,) = window._folder(tmp_path)
    assert piece.words == ("go", "home") and len(piece.pcm) == 16000
    said = {piece.words for piece in window._fixtures("cmd_bring_green_cup")}
    assert said == {("bring", "me", "the", "green", "cup")}


def test_the_table_of_engines_has_their_figures_at_forced_lengths(tmp_path, capsys):
    import json

    bench = script("bench_engines")
    out = tmp_path / "times.json"
    asked = ["--engines", "llama,piper", "--llm", "micro", "--tts", "micro", "--threads", "1"]
    assert bench.main([*asked, "--repeats", "2", "--json", str(out)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Synthetic: random weights, forced lengths.")
    rows = json.loads(out.read_text())
    found = [(r["engine"], r["what"]) for r in rows]
    llama = [("llama", "first token, cold"),
             ("llama", "first token, next turn (prefix cached)"),
             ("llama", "each token after it")]  # fmt: skip
    assert found[:3] == llama
    if len(found) > 3:  # piper's environment could be built
        assert found[3:] == [("piper", "first audio of a sentence"), ("piper", "speech")]
    assert all(len(r["values"]) == 2 and min(r["values"]) > 0 for r in rows)
    assert {r["weights"] for r in rows} == {"synthetic"}
    assert len([line for line in text.splitlines() if line.startswith("| llama |")]) == 3


def test_an_unknown_engine_is_refused(capsys):
    with pytest.raises(SystemExit):
        script("bench_engines").main(["--engines", "vosk"])
    assert "no engine 'vosk'; known: kyutai-stt-onnx, faster-whisper" in capsys.readouterr().err
