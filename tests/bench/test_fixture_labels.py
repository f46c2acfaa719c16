"""The committed fixtures: what they claim can be heard."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from bench.fixtures import Fixture, Turn, fixture_paths, read_pcm, select, verify_all
from pipelines.audio.levels import rms_dbfs

COMMITTED = Path(__file__).parents[2] / "fixtures"
ALL = {f.name: f for f in select("all", COMMITTED) if f.labels == "synthesis"}
CLEAN = [f for f in ALL.values() if "clean" in f.tags]
VARIANTS = [f for f in ALL.values() if f.base]


def audio(turn: Turn) -> np.ndarray:
    return read_pcm(turn) / 32768


def on_speech(turn: Turn) -> np.ndarray:
    """(n,) true where there is audible speech."""
    where = np.zeros(turn.samples, bool)
    for part in turn.speech:
        where[part.audible_start : part.audible_end] = True
    return where


def noise_of(fixture: Fixture) -> tuple[Turn, np.ndarray, np.ndarray]:
    """A variant's turn, its clean audio, and what was added."""
    clean = audio(ALL[fixture.base].turns[0])
    return fixture.turns[0], clean, audio(fixture.turns[0]) - clean


def test_every_committed_fixture_verifies() -> None:
    assert verify_all(fixture_paths(COMMITTED)) == []


def test_there_is_enough_and_it_is_small_enough() -> None:
    singles = [f for f in CLEAN if len(f.turns) == 1]
    assert len(singles) >= 40
    assert len({f.origin.split("voice ")[1].split(",")[0] for f in CLEAN}) >= 4
    assert sum(len(f.turns) >= 4 for f in CLEAN) >= 2
    assert len({f.base for f in VARIANTS}) == 8
    assert len({f.variant for f in VARIANTS}) == 8
    assert len(VARIANTS) == 64
    assert sum(p.stat().st_size for p in COMMITTED.glob("*.wav")) <= 15e6
    quick = [f for f in ALL.values() if "quick" in f.tags]
    assert len(quick) >= 12
    assert sum(f.duration_s for f in quick) <= 75


def test_no_audio_lies_about_without_a_fixture() -> None:
    used = {turn.wav.name for f in select("all", COMMITTED) for turn in f.turns}
    assert {p.name for p in COMMITTED.glob("*.wav")} == used


def test_the_fixtures_are_those_of_the_script() -> None:
    script = tomllib.loads((COMMITTED / "authoring/script.toml").read_text(encoding="utf-8"))
    said = {entry["name"]: [entry["text"]] for entry in script["utterance"]}
    said |= {c["name"]: [t["text"] for t in c["turn"]] for c in script["conversation"]}
    assert {f.name: [t.text for t in f.turns] for f in CLEAN} == said


@pytest.mark.parametrize("fixture", CLEAN, ids=lambda f: f.name)
def test_audible_limits_lie_about_the_phone_limits(fixture: Fixture) -> None:
    # A stop begins with a silent closure (late onset) and ends in a burst or is not released.
    for part in (part for turn in fixture.turns for part in turn.speech):
        assert -20 <= (part.audible_start - part.phone_start) / 16 <= 120
        assert -50 <= (part.audible_end - part.phone_end) / 16 <= 100


def test_words_fill_the_phones_and_follow_one_another() -> None:
    for turn in (turn for f in CLEAN for turn in f.turns):
        edges = {(p.phone_start, p.phone_end) for p in turn.speech}
        assert (turn.words[0].start, turn.words[-1].end) == (min(edges)[0], max(edges)[1])
        gaps = sum(b.start > a.end for a, b in zip(turn.words, turn.words[1:], strict=False))
        assert gaps == len(turn.pauses)


def test_silence_around_clean_speech_is_digital_and_of_known_length() -> None:
    for turn in (turn for f in CLEAN for turn in f.turns):
        pcm = read_pcm(turn)
        assert turn.words[0].start == 150 * 16
        assert turn.samples - turn.speech[-1].audible_end == 300 * 16
        assert not pcm[: 129 * 16].any()
        assert not pcm[turn.samples - 200 * 16 :].any()


def test_labelled_pauses_are_digital_silence_of_the_length_asked_for() -> None:
    script = tomllib.loads((COMMITTED / "authoring/script.toml").read_text(encoding="utf-8"))
    asked = {e["name"]: [p["ms"] for p in e.get("pauses", [])] for e in script["utterance"]}
    assert sum(map(bool, asked.values())) >= 4
    for name, lengths in asked.items():
        (turn,) = ALL[name].turns
        assert [(p.end - p.start) / 16 for p in turn.pauses] == lengths
        for pause in turn.pauses:
            assert not read_pcm(turn)[pause.start : pause.end].any()


def test_every_clean_turn_is_equally_loud() -> None:
    for turn in (turn for f in CLEAN for turn in f.turns):
        assert -25 < rms_dbfs(audio(turn)[on_speech(turn)]) < -21.5, turn.wav.name


@pytest.mark.parametrize(
    "fixture",
    [f for f in VARIANTS if f.variant.startswith(("babble", "pink"))],
    ids=lambda f: f.name,
)
def test_noise_has_the_nominal_ratio_over_speech_and_does_not_clip(fixture: Fixture) -> None:
    turn, clean, noise = noise_of(fixture)
    where = on_speech(turn)
    nominal = float(fixture.variant.removeprefix("babble").removeprefix("pink"))
    assert rms_dbfs(clean[where]) - rms_dbfs(noise[where]) == pytest.approx(nominal, abs=0.5)
    assert np.abs(audio(turn)).max() < 0.999


def test_the_quiet_variants_are_20_db_down() -> None:
    quiet = [f for f in VARIANTS if f.variant == "quiet20"]
    for fixture in quiet:
        _, clean, difference = noise_of(fixture)
        assert rms_dbfs(clean) - rms_dbfs(clean + difference) == pytest.approx(20, abs=0.05)


def test_the_telephone_variants_have_no_energy_outside_the_band_and_nothing_moves() -> None:
    phone = [f for f in VARIANTS if f.variant == "phone"]
    assert len(phone) == 8
    for fixture in phone:
        turn, clean, _ = noise_of(fixture)
        power = np.abs(np.fft.rfft(audio(turn))) ** 2
        hz = np.fft.rfftfreq(turn.samples, 1 / 16_000)
        inside = (hz >= 300) & (hz <= 3400)
        outside = (hz < 250) | (hz > 3450)
        assert 10 * np.log10(power[inside].sum() / power[outside].sum()) > 50
        # Inside the band the signal is the clean one, neither moved nor changed.
        middle = (hz >= 350) & (hz <= 3350)
        wanted, got = (np.fft.rfft(x)[middle] for x in (clean, audio(turn)))
        assert np.abs(wanted - got).max() < 0.01 * np.abs(wanted).max()
