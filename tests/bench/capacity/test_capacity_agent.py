"""Which agent is called: an address of this machine, or a preset that is served."""

import os
import socket
import threading

import pytest
from typer.testing import CliRunner

from bench.capacity.agent import at_address, require_local, seats_for, served
from bench.capacity.resources import Meter, Resources, Watched, answers_after_ms, listens_at
from bench.cli.main import app
from pipelines.errors import LabError

NOTHING = Resources(50.0, 80.0, 5.0, 10.0, 60.0, "serve", 3.0, 12.0, 800.0, 9_000.0)


@pytest.mark.parametrize("url", ["ws://127.0.0.1:80/x", "ws://localhost:80/x", "ws://[::1]:80/x"])
def test_an_address_of_this_machine_needs_no_leave(url):
    require_local(url, "")


def test_another_machine_is_called_only_where_its_host_is_named():
    with pytest.raises(LabError, match=r"add --allow-remote agent\.example"):
        require_local("wss://agent.example/x", "")
    with pytest.raises(LabError, match=r"'other\.example' is not this machine"):
        require_local("wss://other.example/x", "agent.example")
    require_local("wss://agent.example/x", "agent.example")


def test_a_preset_is_served_with_seats_for_the_peaks_of_the_load_and_its_own_weights():
    spec = served("duplex-tiny", 4.0, 0.0)
    options = spec.stages["agent"]
    assert (spec.name, spec.kind, spec.weights) == ("duplex-tiny", "remote", "synthetic")
    assert "serve duplex-tiny --door stream --port " in options.start
    assert options.start.endswith("--seats 10")  # 4 + 3 * 2
    assert options.url.startswith("ws://127.0.0.1:") and options.line == "stream"


def test_a_load_for_which_no_server_has_the_seats_is_refused():
    assert seats_for(43) == 63
    with pytest.raises(LabError, match=r"--most 64: that load needs 88 seats.*--most 44"):
        seats_for(64)


def test_an_address_keeps_its_line_and_does_not_wait_for_a_greeting():
    spec = at_address("ws://127.0.0.1:8765/talk", "pcm-websocket", [], 0.0)
    options = spec.stages["agent"]
    assert (options.line, options.greeting_s, options.start) == ("pcm-websocket", 0.0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--agent", "wss://a.example/x", "--line", "stream"], "is not this machine"),
        (["--agent", "cascade-scripted", "--line", "stream"], "--line is for an address"),
        (["--agent", "cascade-scripted", "--calls", "5"], "the bounds of these limits need 299"),
        (["--agent", "cascade-scripted", "--slo", "voice_to_voice.p95<=2x"], "own figure"),
        (["--agent", "cascade-scripted", "--most", "60"], "needs 84 seats"),
        (["--agent", "no-such-preset"], "no-such-preset"),
        (["--agent", "ws://", "--line", "stream"], "can't be dialled"),
        (["--agent", "ws://localhost:99999/x", "--line", "stream"], "is not an address"),
        (["--agent", "ftp://localhost/x", "--line", "stream"], "can't be dialled"),
        (["--agent", "ws://localhost:1/x", "--line", "strem"], "there is no line 'strem'"),
        (["--agent", "cascade-scripted", "--header-from-env", "A=B"], "is for an address"),
        (["--agent", "cascade-scripted", "--slo", "no_answer<=0.0001%"], "100000 are the most"),
        (["--agent", "cascade-scripted", "--resume", "no/run"], "there is no search to go on with"),
    ],
)
def test_what_can_not_be_asked_for_is_refused_in_a_sentence_before_anything_starts(words, said):
    done = CliRunner().invoke(app, ["capacity", *words, "--fixtures", "cmd_stop", "--dry-run"])
    assert done.exit_code != 0
    assert said in " ".join(f"{done.output} {done.exception}".split())


def test_an_address_at_which_nobody_listens_is_refused_before_anybody_calls(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and does not listen
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}/x"
        words = ["--agent", url, "--line", "stream", "--fixtures", "cmd_stop"]
        done = CliRunner().invoke(app, ["capacity", *words, "--out", str(tmp_path / "run")])
    assert str(done.exception).startswith(f"--agent {url}: no agent answers there: ")
    assert not (tmp_path / "run").exists()


def test_the_plan_and_its_time_are_printed_first():
    words = ["--agent", "cascade-scripted", "--fixtures", "cmd_stop", "--start", "4"]
    done = CliRunner().invoke(app, ["capacity", *words, "--dry-run"])
    assert done.exit_code == 0
    said = " ".join(done.output.split())
    assert "374 calls a load (the limits need 299)" in said
    assert "60 min at most" in said


def test_what_was_full_is_named_and_where_nothing_was_nothing_is():
    assert NOTHING.limit == ""


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"least_free_mb": 100.0}, "memory: 100 MB were left"),
        ({"machine_percent": 97.0, "others_percent": 3.0}, "CPU: this machine's cores were 97 % "
         "busy"),
        ({"machine_percent": 97.0, "others_percent": 80.0}, "CPU: this machine's cores were 97 % "
         "busy, 80 % of a core by other programs"),
        ({"busiest_percent": 95.0}, "one core: serve took 95 % of one"),
        ({"waited_percent": 40.0}, "CPU: the agent's processes waited for a core 40 % of the time"),
        ({"loop_lag_ms": 250.0}, "event loop: the server's was 250 ms late (p95)"),
    ],
)  # fmt: skip
def test_each_resource_that_can_run_out_has_its_words(values, said):
    from dataclasses import replace

    assert replace(NOTHING, **values).limit == said


def test_the_meter_sees_a_process_and_an_event_loop_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listens_at(port) == os.getpid()

        def answer() -> None:
            for _ in range(2):
                peer, _ = server.accept()
                with peer:
                    peer.recv(1000)
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")

        threading.Thread(target=answer, daemon=True).start()
        assert 0 <= answers_after_ms("127.0.0.1", port) < 5_000
        meter = Meter(Watched(os.getpid(), 0, ("127.0.0.1", port)))
        with meter:
            sum(i * i for i in range(10**6))
            meter._sample()
    found = meter.found()
    assert found.agent_mb is not None and found.agent_mb > 10
    assert found.agent_percent is not None and found.agent_percent > 0
    assert found.least_free_mb is not None and found.least_free_mb > 0
    assert answers_after_ms("127.0.0.1", port) == 5_000  # nobody listens there any more
