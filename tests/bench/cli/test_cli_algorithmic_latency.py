"""``duplex-lab algorithmic-latency``, through a model's process."""

import dataclasses
import json
import random

import pytest
import typer

from bench.cli.algorithmic_latency import algorithmic_latency, told
from bench.probes.algorithmic_latency import Floor, Response, measure
from bench.probes.model_sessions import acoustic_frames, greedy, sessions
from pipelines.errors import LabError, ModelError
from pipelines.marks import MarkList
from pipelines.process.process import ModelProcess
from pipelines.spec import load_spec

DOUBLE = "pipelines.duplex.session.doubles:EchoModel"


def echo(**options):
    return ModelProcess(
        "echo",
        "pipelines.duplex.session.engine:DuplexEngine",
        {"adapter": DOUBLE, "options": options},
        marks=MarkList(),
    )


def test_a_delay_hidden_in_another_process_is_recovered():
    hidden = random.Random().randrange(0, 10)
    with sessions(echo(delay_frames=hidden, noise=0.01), seed=5) as run:
        found = measure(run, acoustic_frames=1)
    assert found.frames == hidden + 1, hidden
    assert found.spread == {hidden + 1: 20}


def test_a_model_that_dies_is_one_sentence():
    with (
        pytest.raises(ModelError, match="echo"),
        sessions(echo(fault="crash", fault_frame=6), seed=0) as run,
    ):
        measure(run)


def test_a_context_that_ends_too_soon_is_reported():
    with (
        pytest.raises(LabError, match="frame 10 was not answered"),
        sessions(echo(context_frames=10), seed=0) as run,
    ):
        measure(run)


def test_the_preset_is_run_greedy_and_silent():
    spec = load_spec("duplex-scripted-60ms")
    model = greedy(spec)
    assert (model.temperature, model.text_temperature, model.greeting) == (0.0, 0.0, "")
    server = load_spec("duplex-server").stages["model"]
    with pytest.raises(LabError, match="a server's sampling"):
        greedy(dataclasses.replace(spec, stages={"model": server}))
    with pytest.raises(LabError, match="cascade-embedded is no duplex preset"):
        greedy(load_spec("cascade-embedded"))


def test_the_acoustic_delay_is_read_from_the_models_config(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"delays": [0, 0, 2, 2]}))
    assert acoustic_frames(str(config)) == 2
    assert acoustic_frames(None) == 0


def test_a_scripted_model_has_no_response_to_content(tmp_path, capsys):
    quick = tmp_path / "quick.toml"
    quick.write_text(load_spec("duplex-scripted-60ms").toml.replace("= 60", "= 1"))
    with pytest.raises(typer.Exit) as ended:
        algorithmic_latency(str(quick), positions=5, json_file=tmp_path / "floor.json")
    assert ended.value.exit_code == 1
    assert "no response to content" in capsys.readouterr().out
    assert json.loads((tmp_path / "floor.json").read_text())["floor_ms"] is None


def test_the_findings_are_reported_with_their_derivation():
    found = Floor((Response(4, 2), Response(6, 2), Response(7, 3), Response(9, None)), 1)
    assert list(told("x", found)) == [
        "x: floor 3 frames = 240 ms",
        "    1 frame =  80 ms  the frame itself: it is heard when it is complete",
        "    1 frame =  80 ms  acoustic delay: codebooks 2–8 come after the first",
        "    1 frame =  80 ms  what the implementation adds",
        "counted from the first sample of the perturbed frame; the model computes in no time",
        "spread over 4 positions: 3 frames at 2, 4 frames at 1, no response within a second at 1 "
        "(the minimum counts)",
    ]


def test_a_trace_before_the_floor_is_distinguished():
    found = Floor((Response(4, 1, 0), Response(6, 1, 0)), 1)
    lines = list(told("x", found))
    assert lines[0] == "x: floor 2 frames = 160 ms"
    assert "codebooks 2–8 of a frame decided before) differs from 1 frame = 80 ms on" in lines[-2]


def test_what_it_was_made_to_say_is_named_and_where_nothing_was_the_flag_is():
    found = Floor((Response(4, 1), Response(6, 1)), 0)
    assert "while it was made to say 'go left'" in list(told("x", found, "go left"))
    deaf = Floor((Response(4, None),), 0)
    assert list(told("x", deaf))[-1].endswith("make it speak meanwhile: --say TEXT")
    assert not any("--say" in line for line in told("x", deaf, "go left"))
