"""The caller against an agent that a test plays: what any agent may do, on every line.

Most of it in virtual time (`lock_step`); what a real socket does, on one.
"""

import socket
import time
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from bench.caller.call import call
from bench.caller.connection import listen
from bench.caller.plan import CallerPlan, CallerResult, CallerTurn
from bench.caller.process import CallerProcess
from bench.lines.fakes import local, pcm_websocket
from bench.lines.line import LineChoice
from bench.lines.local import Kind, Message, encode
from tests.bench.caller.lock_step import call_in_steps

RATE = 24_000
LINES = ["local", "pcm-websocket"]
"""An agent that the lab starts, and one that is dialled; the others: tests/bench/lines."""
TONE = np.full(RATE // 10, 8000, np.int16).tobytes()  # 100 ms


def turn(**more):
    pcm = np.zeros(6400, np.int16)  # 400 ms, of which 100–300 are audible
    pcm[1600:4800] = 5000
    told: dict[str, Any] = {"after": "start", "delay_ms": 0.0, "timeout_s": 0.4, "wait_s": 0.5}
    told |= more
    return CallerTurn(pcm, 1600, 4800, **told)


def trial(play, *turns, limit_s=10.0, line="local", **more):
    """Plays one trial on a line; returns its result, and what the caller said meanwhile."""
    plan = CallerPlan("t", 16_000, turns or (turn(),), limit_s, **more)
    return call_in_steps(plan, play, line)


def read_to_the_end(agent):
    agent.wait_for_chunk(10**6)


@pytest.mark.parametrize("line", LINES)
def test_an_answer_ends_the_trial_once_the_agent_has_been_silent(line):
    def play(agent):
        agent.wait_for_chunk(20)
        agent.speak(TONE)
        read_to_the_end(agent)

    result, told = trial(play, line=line)
    assert (result.status, result.error, told) == ("ok", None, ["ready", "over"])
    assert result.rate_hz == RATE
    assert np.count_nonzero(result.agent) == RATE // 10
    onset = next(m.t_ns for m in result.marks if m.event == "agent_onset")
    end = next(m.t_ns for m in result.marks if m.event == "agent_end")
    assert end - onset == 100_000_000
    assert result.chunks_sent * 320 == len(result.user)


@pytest.mark.parametrize("line", LINES)
def test_silence_is_no_answer_and_yet_right_where_none_is_expected(line):
    assert trial(read_to_the_end, line=line)[0].status == "no_answer"
    held = trial(read_to_the_end, turn(expects_answer=False), line=line)[0]
    assert held.status == "ok"
    assert not held.agent.any()


@pytest.mark.parametrize("line", LINES)
def test_a_babbler_is_not_waited_for(line):
    def play(agent):
        with suppress(OSError, ConnectionClosed):  # the caller has hung up
            for k in range(10, 200, 5):  # 100 ms of sound every 100 ms, without an end
                agent.wait_for_chunk(k)
                agent.speak(TONE)

    result, _ = trial(play, turn(expects_answer=False), listens=False, line=line)
    assert result.status == "ok"
    assert 0.9 <= len(result.user) / 16_000 <= 0.96  # 400 ms of audio, and 0.5 s


@pytest.mark.parametrize("line", LINES)
def test_a_false_start_in_the_users_speech_does_not_end_the_trial(line):
    def play(agent):
        agent.wait_for_chunk(7)
        agent.speak(TONE)  # 160–260 ms, before u_off at 300
        time.sleep(0.4)
        agent.speak(TONE)
        read_to_the_end(agent)

    result, _ = trial(play, turn(timeout_s=1.0), line=line)
    assert result.status == "ok"
    assert np.count_nonzero(result.agent) == 2 * RATE // 10


@pytest.mark.parametrize("line", LINES)
def test_an_agent_that_never_falls_silent_is_cut_off_at_the_limit(line):
    def play(agent):
        for _ in range(30):
            agent.speak(TONE)
        read_to_the_end(agent)

    result, _ = trial(play, limit_s=1.0, line=line)
    assert result.status == "cut_off"


def test_an_agent_that_stalls_is_waited_for_and_hears_everything_later(tmp_path):
    def play(agent):
        agent.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        time.sleep(1.0)
        agent.wait_for_chunk(40)
        agent.speak(TONE)
        read_to_the_end(agent)

    plan = CallerPlan("t", 16_000, (turn(timeout_s=3.0),), 10.0)
    path = str(tmp_path / "s")
    with listen(path) as listener, local.playing(path, play):
        result = call(plan, listener, lambda word: None)
    assert (result.status, result.error) == ("ok", None)


@pytest.mark.parametrize("line", LINES)
def test_an_agent_that_hangs_up_before_its_answer_is_an_error_and_what_was_heard_is_kept(line):
    def play(agent):
        agent.wait_for_chunk(2)
        agent.speak(TONE)
        agent.wait_for_chunk(12)

    pcm = np.full(48_000, 5000, np.int16)  # the user speaks for 3 s
    long = CallerTurn(pcm, 0, 48_000, after="start", delay_ms=0.0, timeout_s=1.0)
    result, _ = trial(play, long, line=line)
    assert result.status == "error"
    assert result.error.startswith("the agent hung up before it had answered (the agent ")
    assert np.count_nonzero(result.agent) > 0


@pytest.mark.parametrize("line", LINES)
def test_an_agent_that_hangs_up_after_its_answer_has_ended_the_call_and_is_heard_to_the_end(line):
    def play(agent):
        agent.wait_for_chunk(20)
        agent.speak(TONE)
        agent.speak(TONE)
        agent.wait_for_chunk(23)

    result, told = trial(play, line=line)
    assert (result.status, result.error) == ("hung_up", None)
    assert told == ["ready", "over"]
    assert np.count_nonzero(result.agent) == 2 * RATE // 10


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (encode(Message(Kind.AUDIO_OUT, payload=b"\x00")), "half a sample"),
        (b"HTTP/1.1 400 Bad Request\r\nServer: somebody else's\r\n\r\n", "out of step"),
    ],
)
def test_an_agent_that_talks_nonsense_is_an_error_of_its_trial_only(raw, sentence):
    def play(agent):
        agent.wait_for_chunk(2)
        agent.socket.sendall(raw)
        read_to_the_end(agent)

    result, _ = trial(play)
    assert result.status == "error"
    assert sentence in result.error


@pytest.mark.parametrize("line", LINES)
def test_a_cue_that_never_comes_is_said(line):
    result, _ = trial(read_to_the_end, turn(), turn(after="agent_end", delay_ms=800.0), line=line)
    assert result.status == "cue_missed"
    assert [m.turn for m in result.marks if m.event == "turn_start"] == [0]


@pytest.mark.parametrize("line", LINES)
def test_a_barge_in_begins_at_its_delay_after_the_agents_onset_to_the_sample(line):
    def play(agent):
        agent.wait_for_chunk(20)
        for _ in range(8):
            agent.speak(TONE)
        read_to_the_end(agent)

    result, _ = trial(
        play, turn(timeout_s=1.0), turn(after="agent_onset", delay_ms=250.0), line=line
    )
    heard = np.flatnonzero(result.agent)[0] * 1_000_000_000 // RATE + result.t0_ns
    start = next(m.t_ns for m in result.marks if m.event == "turn_start" and m.turn == 1)
    assert abs(start - heard - 250_000_000) <= 2 * 62_500  # a sample of each clock's grid


def test_after_what_wants_no_answer_the_user_goes_on_though_the_agent_fell_silent(tmp_path):
    def play(agent):
        agent.wait_for_chunk(20)
        agent.speak(TONE)
        read_to_the_end(agent)

    aside = turn(after="agent_onset", delay_ms=50.0, timeout_s=0.3, expects_answer=False)
    last = turn(after="agent_end", delay_ms=200.0, expects_answer=False)
    result, _ = trial(play, turn(timeout_s=1.0), aside, last)
    assert result.status == "ok"
    marks = {(m.event, m.turn): m.t_ns for m in result.marks}
    waited = marks["turn_start", 2] - marks["speech_off", 1]
    assert 500_000_000 <= waited < 600_000_000  # 300 ms for an answer, then 200


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (LineChoice("pcm-websocket", "ws://127.0.0.1:1/"), "no agent answers at ws://127.0.0.1:1/"),
        (LineChoice("pcm-websocket", "ws://127.0.0.1:99999/"), "not the address of a WebSocket"),
        (LineChoice("pcm-websocket", "http://127.0.0.1:1/"), "not the address of a WebSocket"),
        (LineChoice("pigeon"), "there is no line 'pigeon'"),
    ],
)
def test_an_agent_that_cannot_be_reached_is_one_sentence(choice, sentence):
    result = call(CallerPlan("t", 16_000, (turn(),), 1.0, line=choice), None, lambda word: None)
    assert result.status == "error"
    assert sentence in result.error


@pytest.mark.realtime
def test_the_callers_process_dials_an_agent_that_is_a_server():
    def play(agent):
        agent.wait_for_chunk(20)
        agent.speak(TONE)
        read_to_the_end(agent)

    with pcm_websocket.serving(play) as url, CallerProcess() as caller:
        line = LineChoice("pcm-websocket", url)
        assert caller.ask(CallerPlan("t", 16_000, (turn(),), 10.0, line=line)) == ""
        told = [caller.receive(), caller.receive()]
        result = caller.receive()
    assert told == ["ready", "over"]
    assert isinstance(result, CallerResult) and result.status == "ok"
    assert np.count_nonzero(result.agent) == RATE // 10
