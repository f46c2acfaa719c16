"""make setup-full: goes on when one part fails, says what it skipped and why."""

import importlib.util
from pathlib import Path

import pytest

from pipelines.errors import LabError
from pipelines.process.environment import ENVIRONMENTS

SCRIPT = Path(__file__).parents[1] / "scripts" / "setup_full.py"


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("setup_full", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["setup_full"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["setup_full"]


def parts(script, *made):
    def fail():
        raise LabError("There is no network: mend that.")

    return (
        script.Part("good", "works", lambda: made[0].append("good")),
        script.Part("bad", "fails", fail),
        script.Part("other", "is not for this machine", fail, lambda: "it has no such chip"),
        script.Part("last", "comes after", lambda: made[0].append("last")),
    )


def test_one_that_fails_does_not_stop_the_others_and_all_is_reported(script, monkeypatch, capsys):
    made: list[str] = []
    monkeypatch.setattr(script, "PARTS", parts(script, made))
    assert script.main([]) == 1
    assert made == ["good", "last"]
    out = capsys.readouterr().out.splitlines()
    table = {line.split()[0]: line.split(None, 2)[1:] for line in out if line.startswith("  ")}
    assert {name: how for name, (how, _) in table.items()} == {
        "good": "there", "bad": "failed", "other": "skipped", "last": "there"
    }  # fmt: skip
    assert table["bad"][1] == "There is no network: mend that."
    assert table["other"][1] == "it has no such chip"


def test_what_is_asked_for_by_name_is_not_skipped(script, monkeypatch):
    monkeypatch.setattr(script, "PARTS", parts(script, []))
    assert script.main(["other"]) == 1
    assert script.main(["good"]) == 0


def test_an_unknown_part_is_refused_with_the_known_ones(script, capsys):
    assert script.main(["wisper"]) == 2
    assert "no part 'wisper'; known: whisper, piper" in capsys.readouterr().err


def test_every_engine_environment_is_a_part(script):
    assert set(ENVIRONMENTS) <= {part.name for part in script.PARTS}


def test_the_list_does_nothing(script, monkeypatch, capsys):
    monkeypatch.setattr(script, "PARTS", parts(script, []))
    assert script.main(["--list"]) == 0
    assert "other            is not for this machine (skipped: it has no such chip)" in (
        capsys.readouterr().out
    )
