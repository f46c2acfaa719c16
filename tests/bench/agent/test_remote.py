"""An agent elsewhere: its preset is checked, its command is started, waited for and ended."""

import os
import socket
import sys
from contextlib import closing

import psutil
import pytest

from bench.agent.remote import RemoteAgent, in_rate_hz, line_of, require_line
from pipelines.errors import LabError, SpecError
from pipelines.remote.preset import remote_spec, remote_specs
from pipelines.spec import parse_spec

PRESET = """
title = "Mine"
architecture = "remote"
kind = "remote"
weights = "trained"
[agent]
url = "ws://127.0.0.1:{port}/talk"
line = "{line}"
{more}
"""


def preset(more="", line="pcm-websocket", port=9):
    return parse_spec("mine", PRESET.format(more=more, line=line, port=port))


def test_the_options_of_a_line_are_read_from_the_preset_with_its_defaults():
    choice = line_of(preset("[agent.options]\nrate_hz = 8000"))
    assert choice.url == "ws://127.0.0.1:9/talk"
    assert choice.options == {"rate_hz": 8_000, "sample_format": "int16", "protocol_map": ""}


@pytest.mark.parametrize(
    ("line", "more", "sentence"),
    [
        ("pigeon", "", "there is no line 'pigeon'"),
        ("local", "", "is not one to be dialled"),
        ("sip", "", "line = 'sip' can't be spoken: SIP needs a registrar"),
        ("pcm-websocket", "[agent.options]\nrate = 1", "unknown key 'rate'"),
        ("pcm-websocket", "[agent.options]\nrate_hz = 1", "from 8000 to 48000 Hz"),
        ("openai-realtime", "[agent.options]\nturns = 'vad'", "must be one of 'server_vad'"),
    ],
)
def test_a_wrong_line_or_option_is_one_sentence(line, more, sentence):
    with pytest.raises(SpecError, match=sentence):
        line_of(preset(more, line))


def test_the_user_speaks_at_the_protocols_rate_where_it_has_one():
    assert in_rate_hz(preset(line="twilio")) == 8_000
    assert in_rate_hz(preset(line="pcm-websocket")) == 16_000
    assert in_rate_hz(preset("[audio]\nin_rate_hz = 24000")) == 24_000
    assert in_rate_hz(preset("[agent.options]\naudio = 'audio/pcmu'", "openai-realtime")) == 8_000


def test_a_key_comes_from_the_environment_and_is_in_no_preset(monkeypatch):
    spec = remote_spec("ws://127.0.0.1:9/", "openai-realtime", {"Authorization": "MY_VOICE_KEY"})
    monkeypatch.delenv("MY_VOICE_KEY", raising=False)
    with pytest.raises(SpecError, match="MY_VOICE_KEY is not set"):
        line_of(spec)
    monkeypatch.setenv("MY_VOICE_KEY", "hush-hush")
    assert line_of(spec).options["headers"] == {"Authorization": "Bearer hush-hush"}
    assert "hush" not in spec.toml


def test_each_address_of_the_command_line_is_a_preset_with_a_name_of_its_own():
    specs = remote_specs(
        ["ws://127.0.0.1:9/a", "ws://127.0.0.1:9/b", "wss://voice.example/x"], ["pipecat"], []
    )
    assert [spec.name for spec in specs] == [
        "pipecat-127.0.0.1-9-1",
        "pipecat-127.0.0.1-9-2",
        "pipecat-voice.example",
    ]


@pytest.mark.parametrize(
    ("urls", "lines", "headers", "sentence"),
    [
        ([], ["pipecat"], [], "--line needs --agent"),
        (["ws://a/", "ws://b/"], [], [], "need a --line each, or one for all; got 0"),
        (["ws://a/"], ["pipecat"], ["Authorization"], "write Header=VARIABLE"),
    ],
)
def test_half_an_address_is_one_sentence(urls, lines, headers, sentence):
    with pytest.raises(LabError, match=sentence):
        remote_specs(urls, lines, headers)


def free_port():
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_a_command_is_waited_for_until_its_port_answers_and_is_ended():
    port = free_port()
    serve = f"{sys.executable} -m http.server --bind 127.0.0.1 {port}"
    agent = RemoteAgent(preset(f"start = '{serve}'", port=port))
    agent.ask("prepare")
    assert agent.wait(30.0).error is None
    process = psutil.Process(agent.pid)
    assert process.is_running() and os.getpgid(agent.pid) == agent.pid
    agent.stop()
    assert not process.is_running()


def test_a_command_that_dies_is_told_with_the_end_of_its_log():
    code = 'import sys; sys.exit("no model here")'
    agent = RemoteAgent(preset(f'start = """{sys.executable} -c \'{code}\'"""', port=1))
    agent.ask("prepare")
    with pytest.raises(LabError, match=r"exit code 1 \(no model here\)"):
        agent.wait(30.0)
    agent.stop()


def test_a_command_that_cannot_be_run_is_one_sentence():
    with pytest.raises(SpecError, match="start = '/nowhere/server' can't be run"):
        RemoteAgent(preset("start = '/nowhere/server'"))


def test_a_command_that_listens_at_another_port_names_it():
    port, wanted = free_port(), free_port()
    more = f"start = '{sys.executable} -m http.server --bind 127.0.0.1 {port}'\n"
    agent = RemoteAgent(preset(f"{more}start_timeout_s = 1.5", port=wanted))
    agent.ask("prepare")
    sentence = rf"nothing answers at \S+:{wanted}/talk 1.5 s after .* listens at port {port}: is"
    with pytest.raises(LabError, match=sentence):
        agent.wait(30.0)
    agent.stop()


def test_a_port_that_is_taken_is_said_before_the_command_is_started():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SpecError, match=f":{port}/talk before 'server' is started: end it"):
            RemoteAgent(preset("start = 'server'", port=port))


def test_a_server_that_died_is_told_with_the_place_of_its_log(tmp_path):
    log = tmp_path / "mine.agent.log"
    code = 'import sys; sys.exit("no model here")'
    agent = RemoteAgent(preset(f'start = """{sys.executable} -c \'{code}\'"""', port=1), log)
    agent.ask("prepare")
    with pytest.raises(LabError, match=rf"exit code 1 \(no model here; all it said: {log}\)"):
        agent.wait(30.0)
    agent.stop()
    assert log.read_text(encoding="utf-8").endswith("no model here\n")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:9/talk", "is not the address of a WebSocket: write ws://127.0.0.1:9/t"),
        ("127.0.0.1:9/talk", "can't be dialled: give an address like ws://127.0.0.1:8765/path"),
        ("ws://127.0.0.1:99999/talk", "is not an address: Port out of range"),
        ("ftp://127.0.0.1/talk", "can't be dialled: give an address like ws://"),
    ],
)
def test_a_wrong_address_is_refused_before_anything_is_played(url, sentence):
    with pytest.raises(SpecError, match=sentence):
        require_line(remote_spec(url, "pcm-websocket", {}))
