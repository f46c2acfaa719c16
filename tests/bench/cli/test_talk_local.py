"""`duplex-lab talk --local`: what it refuses, what it lists, and a talk that is kept as a run."""

import os
import signal
import threading
import time
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.cli.live import local
from bench.cli.live.talk import talk
from bench.cli.main import app
from bench.store.store import read_run
from pipelines.errors import LabError
from pipelines.server.devices.card import DeviceError
from pipelines.server.devices.doubles import FakeCard, NullCard


@pytest.fixture
def room(monkeypatch):
    card = FakeCard()
    monkeypatch.setattr(local, "card", lambda: card)
    return card


def test_the_devices_are_listed_with_the_defaults(room):
    shown = CliRunner().invoke(app, ["talk", "--list-devices"], catch_exceptions=False)
    lines = [line.split() for line in shown.stdout.splitlines() if "Room" in line]
    assert lines == [
        ["0", "Room", "microphone", "1", "0", "24000", "input"],
        ["1", "Room", "speaker", "0", "1", "24000", "output"],
    ]


def test_a_machine_without_a_sound_card_gets_one_sentence_and_a_non_zero_exit(monkeypatch):
    monkeypatch.setattr(local, "card", NullCard)
    for given in (["--list-devices"], ["passthrough", "--local"]):
        ended = CliRunner().invoke(app, ["talk", *given])
        assert isinstance(ended.exception, DeviceError) and ended.exception.exit_code == 2
        assert str(ended.exception).startswith("This machine has no ")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"microphone": "Room"}, "--input is for --local"),
        ({"second": "a.wav"}, "--second is for --local"),
        ({"cool_down_ms": 5}, "--cool-down-ms is for --local"),
        ({"local": True, "second": "a.wav"}, "--second is recorded only: name the folder"),
        ({"local": True, "microphone": "7"}, "--input 7: there is no such microphone"),
        ({"local": True, "preset": "nope"}, "There is no preset 'nope'"),
    ],
)
def test_what_can_t_be_is_refused_in_a_sentence(room, given, said):
    options: dict[str, Any] = {
        "second": "",
        "microphone": "",
        "speaker": "",
        "keep": None,
        "cool_down_ms": None,
    }
    options |= {"keep": None, "cool_down_ms": None, "local": False, "list_devices": False}
    options |= {"preset": "passthrough"} | given
    with pytest.raises(LabError, match=said):
        talk(**options)


def test_a_talk_is_kept_as_a_run_and_ctrl_c_is_its_end(room, tmp_path, monkeypatch, capsys):
    from pipelines.server import session as of
    from pipelines.server.session.conversation import Session
    from pipelines.server.session.doubles import Passthrough
    from pipelines.server.session.step import StepBackend
    from pipelines.spec import load_spec

    def opened(form, log, tell):  # the click preset's place in the log, without its pipeline
        return Session(StepBackend(Passthrough()), spec=load_spec("click"), log=log)

    monkeypatch.setattr(of, "session", opened)
    ended = threading.Event()

    def user():
        while not room.open_devices >= {"Room microphone", "Room speaker", "Monitor of the room"}:
            time.sleep(0.01)
        for _ in range(30):
            room.advance(0.25)
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        ended.set()

    threading.Thread(target=user, daemon=True).start()
    run = tmp_path / "run"
    wanted = local.Wanted("Room m", "", "monitor", cool_down_ms=100, keep=run)
    local.talk_local("click", wanted)
    assert ended.wait(5)
    (trial,) = read_run(run).trials
    assert (trial.status, trial.kind) == ("ok", "recorded")
    assert (run / f"audio/{trial.trial_id}.flac").is_file()
    assert (run / f"audio/{trial.trial_id}.second.flac").is_file()
    said = capsys.readouterr().out
    assert "Half-duplex: the microphone is closed while the agent speaks, and 100 ms after." in said
    assert "Room microphone is heard, Room speaker answers" in said
