"""The scripts that measure engines: what they refuse, and the arithmetic of what they print."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipelines.errors import LabError

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
    assert piece.text == "Go home." and len(piece.pcm) == 16000
    said = {piece.text for piece in window._fixtures("cmd_bring_green_cup")}
    assert said == {"bring me the green cup"}


def test_an_utterance_is_spoken_from_shortly_before_it_to_the_silence_after_it(window):
    pcm = np.zeros(32_000, np.int16)
    pcm[16_000:24_000] = 8000
    assert len(window.spoken(pcm, 250)) == 6400 + 8000 + 4000
    assert len(window.spoken(pcm[:24_000], 250)) == 6400 + 8000 + 4000
    with pytest.raises(LabError, match="holds no sound"):
        window.spoken(pcm[:16_000], 250)


def test_the_table_holds_both_windows_and_their_difference(window):
    pieces = [window.Piece("a", np.zeros(0, np.int16), "go home now please")] * 60
    full = window.Heard([1] + [0] * 59, [400.0] * 60, 0, [""] * 60)
    short = window.Heard([0] * 60, [20.0] * 60, 7, [""] * 60)
    text = window.table(pieces, {"full": full, "short": short}).splitlines()
    assert text[2] == "| full | 60 | 240 | 1 | 0.4% | 400 [400 – 400] | 400 ≤ 400 | 0 |"
    assert text[3] == "| short | 60 | 240 | 0 | 0.0% | 20 [20 – 20] | 20 ≤ 20 | 7 |"
    assert text[5].startswith("short − full: -0.4% of the words (-1.2% to +0.0%")
    assert text[6] == "tail p50, short / full: 0.050x"


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
