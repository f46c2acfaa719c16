"""Importing recordings: any common format and rate; labels proposed, nothing overwritten."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from bench.fixture_import import add
from bench.fixture_records import FixtureError
from bench.fixtures import load, read_pcm, verify
from bench.fixtures_cli import app
from pipelines.audio.resample import resample

COMMITTED = Path(__file__).parents[2] / "fixtures"
TEXT = "Pick up… the RED block!"


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """The hesitating fixture as (n,) floats at 16 kHz."""
    return read_pcm(load(COMMITTED / "hes_red_block.toml").turns[0]) / 32768


def recording(folder: Path, signal: np.ndarray, name: str = "My Take 1.wav", rate_hz=16_000):
    path = folder / name
    soundfile.write(path, signal, rate_hz)
    return path


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate_hz", [8_000, 24_000, 44_100, 48_000])
def test_any_common_format_and_rate_gives_nearly_the_true_limits(
    tmp_path: Path, speech: np.ndarray, suffix: str, rate_hz: int
) -> None:
    file = recording(tmp_path, resample(speech, 16_000, rate_hz), f"My Take 1.{suffix}", rate_hz)
    fixture = add(file, TEXT, root=tmp_path)
    assert fixture == load(tmp_path / "my_take_1.toml")
    assert (fixture.name, fixture.labels, fixture.kind) == ("my_take_1", "vad", "other")
    (turn,) = fixture.turns
    assert turn.text == "pick up the red block"
    assert turn.expect.respond
    assert not turn.expect.slots
    assert verify(fixture) == []
    true = load(COMMITTED / "hes_red_block.toml").turns[0]
    coded = suffix in ("ogg", "mp3")  # codecs smear, and MP3 may add a frame of delay
    near = (60 if coded else 15) * 16
    assert len(turn.speech) == 2
    for found, known in zip(turn.speech, true.speech, strict=True):
        assert abs(found.audible_start - known.audible_start) <= near
        assert abs(found.audible_end - known.audible_end) <= near
    (pause,) = turn.pauses
    assert (pause.start, pause.end) == (turn.speech[0].audible_end, turn.speech[1].audible_start)


def test_noise_around_the_speech_is_not_labelled_as_speech(
    tmp_path: Path, speech: np.ndarray
) -> None:
    rng = np.random.default_rng(6)
    noisy = np.pad(speech, 16_000) + rng.standard_normal(speech.size + 32_000) * 10 ** (-45 / 20)
    (turn,) = add(recording(tmp_path, noisy), TEXT, root=tmp_path).turns
    true = load(COMMITTED / "hes_red_block.toml").turns[0]
    assert abs(turn.u_on_sample - 16_000 - true.u_on_sample) < 40 * 16
    assert -100 * 16 < turn.u_off_sample - 16_000 - true.u_off_sample < 40 * 16


def test_stereo_needs_a_choice_of_channel(tmp_path: Path, speech: np.ndarray) -> None:
    stereo = np.stack([speech, np.zeros_like(speech)], axis=1)
    file = recording(tmp_path, stereo)
    with pytest.raises(FixtureError, match=r"2 channels; say which .* --channel left, right"):
        add(file, TEXT, root=tmp_path)
    with pytest.raises(FixtureError, match="no speech is found"):
        add(file, TEXT, root=tmp_path, channel="right")
    with pytest.raises(FixtureError, match="'middle' is no channel"):
        add(file, TEXT, root=tmp_path, channel="middle")
    assert list(tmp_path.glob("*.toml")) == []
    left = read_pcm(add(file, TEXT, root=tmp_path, channel="left").turns[0])
    mix = read_pcm(add(file, TEXT, root=tmp_path, channel="mix", force=True).turns[0])
    assert np.abs(left / 2 - mix).max() <= 1


def test_a_name_that_is_taken_is_replaced_only_by_force(tmp_path: Path, speech: np.ndarray) -> None:
    file = recording(tmp_path, speech)
    add(file, TEXT, root=tmp_path, name="take")
    before = {path: path.read_bytes() for path in tmp_path.glob("take.*")}
    with pytest.raises(FixtureError, match="--force"):
        add(file, "something else", root=tmp_path, name="take")
    assert {path: path.read_bytes() for path in tmp_path.glob("take.*")} == before
    fixture = add(file, "something else", root=tmp_path, name="take", force=True)
    assert fixture.turns[0].text == "something else"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["My Take 1.wav", "take.toml", "take.wav"]


def test_a_loud_recording_is_turned_down_and_not_clipped(
    tmp_path: Path, speech: np.ndarray
) -> None:
    path = tmp_path / "loud.wav"
    soundfile.write(path, speech * 8, 16_000, subtype="FLOAT")
    fixture = add(path, TEXT, root=tmp_path, name="quieter")
    pcm = read_pcm(fixture.turns[0])
    assert "turned down" in fixture.origin
    assert np.corrcoef(pcm, speech)[0, 1] > 0.99999


def broken(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"{kind}.wav"
    if kind == "text":
        path.write_text("this is no audio")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "no_samples":
        soundfile.write(path, np.zeros(0), 16_000)
    elif kind == "long":
        soundfile.write(path, np.zeros(130 * 8000, np.int16), 8_000)
    elif kind == "nan":
        soundfile.write(path, np.full(16_000, np.nan), 16_000, subtype="FLOAT")
    elif kind == "silent":
        soundfile.write(path, np.zeros(16_000), 16_000)
    return path


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("text", "can't be read as audio"),
        ("empty", "can't be read as audio"),
        ("missing", "no such file"),
        ("no_samples", "is empty; record it again"),
        ("long", "lasts 130 s; cut it"),
        ("nan", "no numbers"),
        ("silent", "no speech is found"),
    ],
)
def test_a_recording_that_cannot_be_used_gets_a_sentence_and_leaves_nothing(
    tmp_path: Path, kind: str, complaint: str
) -> None:
    file = broken(tmp_path, kind)
    before = set(tmp_path.iterdir())
    with pytest.raises(FixtureError) as error:
        add(file, TEXT, root=tmp_path, name="new")
    assert complaint in str(error.value)
    assert str(error.value).startswith(str(file))
    assert set(tmp_path.iterdir()) == before


def test_names_kinds_and_texts_are_checked(tmp_path: Path, speech: np.ndarray) -> None:
    file = recording(tmp_path, speech)
    for changes, complaint in [
        ({"name": "../up"}, "is no name"),
        ({"kind": "rant"}, "use one of command"),
        ({"text": "… !"}, "no words"),
        ({"channel": "middle"}, "is no channel"),
    ]:
        with pytest.raises(FixtureError, match=complaint):
            add(file, **{"text": TEXT, "root": tmp_path, **changes})


def test_a_folder_that_cannot_be_written_gets_a_sentence(
    tmp_path: Path, speech: np.ndarray
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FixtureError, match="choose another folder"):
        add(recording(tmp_path, speech), TEXT, root=tmp_path / "file")


def test_the_command_imports_and_tells_what_it_found(tmp_path: Path, speech: np.ndarray) -> None:
    file = recording(tmp_path, speech)
    arguments = ["add", str(file), "--text", TEXT, "--root", str(tmp_path), "--name", "take"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert result.stdout.count("  speech ") == 2
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "exists; choose another --name" in result.stderr
