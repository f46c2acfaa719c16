"""The oracle: it recognises by ear what is played, and does the right thing at a known sample."""

from __future__ import annotations

import tomllib
import wave
from pathlib import Path

import numpy as np
import pytest

from bench.fixtures.library import fixture_paths, fixtures_root
from bench.store.expectation import Expectation, judge
from pipelines.duplex.scripted.model import ScriptedDuplex
from pipelines.duplex.scripted.options import ScriptOptions
from pipelines.duplex.scripted.oracle_lines import read_knowledge
from pipelines.duplex.scripted.oracle_mind import OracleMind
from pipelines.duplex.session.model import FRAME_SAMPLES
from pipelines.process.engine import EngineError
from pipelines.spec import load_spec

RATE = 24_000
LEAD, TAIL = 2400, 4800
GATE, STOP = 4800, 5760  # 200 and 240 ms
OPTIONS = ScriptOptions(speak="oracle")


def read_lines(folder: str = ""):
    return read_knowledge(folder).lines


def noise(seconds: float, seed: int) -> np.ndarray:
    """Like a voice in that no other sounds the same: (n,) int16 at 16 kHz."""
    drawn = np.random.default_rng(seed).standard_normal(round(seconds * 16_000) // 4)
    smooth = np.interp(np.arange(len(drawn) * 4) / 4, np.arange(len(drawn)), drawn)
    return np.clip(smooth * 3000, -20_000, 20_000).astype(np.int16)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * 16_000), np.int16)


def write_wav(path: Path, *parts: np.ndarray) -> int:
    pcm = np.concatenate((np.zeros(LEAD, np.int16), *parts, np.zeros(TAIL, np.int16)))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(pcm.tobytes())
    return len(pcm)


def turn(folder: Path, name: str, *parts: np.ndarray, cue: str = "start", expect: str = "") -> str:
    samples = write_wav(folder / f"{name}.wav", *parts)
    return f"""
[[turn]]
wav = "{name}.wav"
rate_hz = 16000
samples = {samples}
text = "{name}"
cue = {{ after = "{cue}", delay_ms = 900 }}
speech = [{{ audible_start = {LEAD}, audible_end = {samples - TAIL} }}]
[turn.expect]
{expect or "respond = true"}
"""


@pytest.fixture
def folder(tmp_path):
    start, yes = noise(0.6, 1), "respond = true\nslots = { what = ["
    (tmp_path / "block.toml").write_text(
        turn(tmp_path, "block", start, noise(0.5, 2), expect=yes + '"red block"] }')
    )
    (tmp_path / "sock.toml").write_text(
        turn(tmp_path, "sock", start, noise(0.9, 3), expect=yes + '"sock"] }')
    )
    (tmp_path / "pause.toml").write_text(
        turn(tmp_path, "pause", noise(0.4, 4), silence(0.8), noise(0.4, 5))
    )
    (tmp_path / "talk.toml").write_text(
        turn(tmp_path, "talk", noise(0.5, 6))
        + turn(tmp_path, "right", noise(0.3, 7), cue="agent_onset", expect="respond = false")
        + turn(tmp_path, "stop", noise(0.8, 8), cue="agent_onset")
    )
    return tmp_path


def played(mind: OracleMind, signal: np.ndarray) -> tuple[list[tuple[int, str]], list[int]]:
    """Where in the signal replies begin, with what they say, and where it falls silent."""
    begins, stops = [], []
    padded = np.pad(signal, (0, -len(signal) % FRAME_SAMPLES))
    for start in range(0, len(padded), FRAME_SAMPLES):
        begin, stop = mind.hear(padded[start : start + FRAME_SAMPLES])
        begins += [(start + begin, mind.phrase)] if begin is not None else []
        stops += [start + stop] if stop is not None else []
    return begins, stops


def line_of(lines, fixture, number=0):
    return next(line for line in lines if (line.fixture, line.number) == (fixture, number))


def after(line, samples: int) -> np.ndarray:
    """A line after some silence, and a second of silence."""
    zeros = np.zeros(RATE, np.float32)
    return np.concatenate((np.zeros(samples, np.float32), line.pcm, zeros))


@pytest.mark.parametrize("before", [5000, 5760, 7679, 7680, 8123])
@pytest.mark.parametrize("name", ["block", "sock", "pause"])
def test_it_answers_the_right_line_to_the_sample_wherever_in_a_frame_it_began(folder, name, before):
    lines = read_lines(str(folder))
    line = line_of(lines, name)
    begins, _ = played(OracleMind(OPTIONS, lines), after(line, before))
    assert begins == [(before + line.off + GATE, line.answer)]


def test_a_line_that_begins_like_another_is_distinguished_from_it(folder):
    lines = read_lines(str(folder))
    assert "red block" in line_of(lines, "block").answer
    begins, _ = played(OracleMind(OPTIONS, lines), after(line_of(lines, "sock"), 6000))
    assert [said for _, said in begins] == [line_of(lines, "sock").answer]


def test_it_stops_for_what_wants_an_answer_and_for_nothing_else(folder):
    lines = read_lines(str(folder))
    parts = [after(line_of(lines, "talk", number), 6000) for number in range(3)]
    begins, stops = played(OracleMind(OPTIONS, lines), np.concatenate(parts))
    onsets = np.cumsum([0, *(len(part) for part in parts)])[:3] + 6000
    answered = [(onsets[n], line_of(lines, "talk", n)) for n in (0, 2)]
    assert stops == [onset + line.on + STOP for onset, line in answered]
    assert begins == [(onset + line.off + GATE, line.answer) for onset, line in answered]


def test_to_what_it_does_not_know_it_says_nothing(folder):
    mind = OracleMind(OPTIONS, read_lines(str(folder)))
    strange = noise(1.0, 99).astype(np.float32) / 32768
    signal = np.concatenate((np.zeros(6000), strange, np.zeros(RATE))).astype(np.float32)
    assert played(mind, signal) == ([], [])


def test_a_sound_of_two_conversations_is_taken_for_the_next_one_of_the_one_that_is_played(folder):
    again = (folder / "talk.toml").read_text().replace('text = "stop"', 'text = "another answer"')
    (folder / "alike.toml").write_text(again)
    lines = read_lines(str(folder))
    parts = [after(line_of(lines, "talk", n), 6000) for n in range(3)]
    begins, _ = played(OracleMind(OPTIONS, lines), np.concatenate(parts))
    # The first turns sound the same: the first conversation by name is taken, and gone on with.
    assert begins[1][1] == line_of(lines, "alike", 2).answer


def test_an_answer_is_long_enough_for_what_comes_over_it(folder):
    model = ScriptedDuplex(speak="oracle", fixtures=str(folder))
    model.load()
    line = line_of(read_lines(str(folder)), "talk")
    # The backchannel ends 0.9 + 0.75 s after the onset, the interruption begins 1.05 s after that.
    assert len(model.speech(line.answer)) / RATE >= 0.9 + 0.75 + 0.9 + 0.15 + 3.0


def test_every_answer_to_the_shipped_fixtures_is_right_by_the_judge():
    known = read_knowledge()
    answers = {(line.fixture, line.number): line.answer for line in known.lines}
    for path in fixture_paths(fixtures_root()):
        for n, table in enumerate(tomllib.loads(path.read_text(encoding="utf-8"))["turn"]):
            verdict = judge(Expectation.from_table(table.get("expect", {})), answers[path.stem, n])
            assert verdict.right, (path.name, table["text"], verdict)
    assert len(answers) > 100
    spoken = [answer for answer in answers.values() if answer]
    assert sum(map(known.voice.knows, spoken)) / len(spoken) > 0.8


def test_a_folder_without_fixtures_and_one_with_a_broken_one_are_refused(folder, tmp_path):
    with pytest.raises(EngineError, match="holds no fixtures"):
        read_lines(str(tmp_path / "nowhere"))
    (folder / "sock.wav").unlink()
    with pytest.raises(EngineError, match=r"sock.toml is not a fixture that the oracle can read"):
        read_lines(str(folder))


def test_the_folder_is_the_runs_own_where_none_is_named(folder, monkeypatch):
    monkeypatch.setenv("DUPLEX_LAB_FIXTURES", str(folder))
    assert {line.fixture for line in read_lines()} == {"block", "sock", "pause", "talk"}


def test_the_presets_of_the_doubles_are_labelled_as_scripts():
    for name in ("duplex-oracle", "duplex-mute"):
        assert load_spec(name).weights == "scripted"
    assert load_spec("duplex-mute").stages["script"].speak == "never"
