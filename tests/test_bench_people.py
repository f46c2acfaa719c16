"""make bench-people: what it fetches and plays, and its words where it can't."""

import subprocess

import pytest

from bench.fixtures import importer
from bench.fixtures.library import load, select
from tests.test_engine_scripts import script

IDS = "faster-whisper-tiny.en@int8", "piper-en-us-joe@medium"


@pytest.fixture
def people(home):
    return script("bench_people")


@pytest.fixture
def ran(monkeypatch):
    """The commands that were run; none does anything."""
    commands = []

    def run(command):
        commands.append(" ".join(command[3:]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_models_that_can_not_be_had_are_named_with_their_sizes_and_the_way(
    people, ran, home, capsys
):
    assert people.main([]) == 2
    assert ran == ["models fetch --preset cascade-people --preset cascade-embedded"]
    assert capsys.readouterr().err == (
        "bench-people needs faster-whisper-tiny.en@int8 (78 MB) and piper-en-us-joe@medium "
        "(63 MB), which could not be fetched: nothing was measured.\n"
        f"With a network: duplex-lab models fetch {' '.join(IDS)}\n"
        f"Without one: run that on another machine, copy its folders {', '.join(IDS)} and its "
        f"locks/ into {home}, and check them: duplex-lab models verify\n"
    )


def test_with_its_models_it_plays_both_presets_on_the_clean_fixtures(
    people, ran, monkeypatch, capsys
):
    monkeypatch.setattr(people, "missing", list)
    assert people.main(["--trials", "1"]) == 0
    assert ran == [
        "run --presets cascade-people,cascade-embedded --fixtures command,question,greeting,"
        "correction,hesitation,long,refusal --trials 1"
    ]
    assert "No recordings of people are imported" in capsys.readouterr().err
    turns = [turn for fixture in select(people.SINGLE) for turn in fixture.turns]
    assert len(turns) >= 46


def test_imported_recordings_are_played_too(people, ran, monkeypatch, tmp_path, capsys):
    recording = load(next(path for path in people.fixture_paths() if path.stem == "cmd_wave"))
    importer.add(recording.turns[0].wav, "wave to me please", name="mine", root=tmp_path)
    monkeypatch.setenv("DUPLEX_LAB_FIXTURES", str(tmp_path))
    monkeypatch.setattr(people, "missing", list)
    assert people.main([]) == 0
    assert ran[0].endswith(",refusal,imported")
    assert capsys.readouterr().err == ""


def test_fixtures_of_your_own_choice_are_taken_as_they_are(people, ran, monkeypatch):
    monkeypatch.setattr(people, "missing", list)
    assert people.main(["--fixtures", "quick"]) == 0
    assert ran == ["run --presets cascade-people,cascade-embedded --fixtures quick"]
