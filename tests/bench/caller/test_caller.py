"""The caller against an agent that a test plays on a thread: short trials, real sockets."""

import socket
import threading
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from bench.caller.call import CallerPlan, CallerTurn, call, listen
from bench.lines.local import Decoder, Kind, Message, encode

RATE = 24_000
TONE = np.full(RATE // 10, 8000, np.int16).tobytes()  # 100 ms


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """A trial ends 0.5 s after the agent fell silent, not 1.5."""
    monkeypatch.setattr("bench.caller.call.SILENCE_AFTER_AGENT_S", 0.5)


def turn(**more):
    pcm = np.zeros(6400, np.int16)  # 400 ms, of which 100–300 are audible
    pcm[1600:4800] = 5000
    told = {"after": "start", "delay_ms": 0.0, "timeout_s": 0.4} | more
    return CallerTurn(pcm, 1600, 4800, **told)


class Agent:
    """The agent's end of the wire."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.sent = 0

    def send(self, message):
        self.socket.sendall(encode(message))

    def speak(self, payload=TONE, generation=0):
        self.send(Message(Kind.AUDIO_OUT, generation, self.sent, 0, time.monotonic_ns(), payload))
        self.sent += 1

    def wait_for_chunk(self, k):
        """Reads until the caller has sent chunk ``k``."""
        decoder = Decoder()
        while data := self.socket.recv(4096):
            for message in decoder.feed(data):
                if message.kind is Kind.BYE or message.seq >= k:
                    return


@contextmanager
def playing(path, play):
    def work():
        agent = Agent(path)
        agent.send(Message(Kind.READY, a=RATE))
        with agent.socket:
            play(agent)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def trial(tmp_path, play, *turns, limit_s=10.0, **more):
    told = []
    path = str(tmp_path / "s")
    plan = CallerPlan("t", 16_000, turns or (turn(),), limit_s, **more)
    with listen(path) as listener, playing(path, play):
        return call(plan, listener, told.append), told


def read_to_the_end(agent):
    agent.wait_for_chunk(10**6)


def test_an_answer_ends_the_trial_once_the_agent_has_been_silent(tmp_path):
    def play(agent):
        agent.wait_for_chunk(20)
        agent.speak()
        read_to_the_end(agent)

    result, told = trial(tmp_path, play)
    assert (result.status, result.error, told) == ("ok", None, ["ready", "over"])
    assert result.rate_hz == RATE
    assert np.count_nonzero(result.agent) == RATE // 10
    onset = next(m.t_ns for m in result.marks if m.event == "agent_onset")
    end = next(m.t_ns for m in result.marks if m.event == "agent_end")
    assert end - onset == 100_000_000
    assert result.chunks_sent * 320 == len(result.user)


def test_silence_is_no_answer_and_yet_right_where_none_is_expected(tmp_path):
    assert trial(tmp_path, read_to_the_end)[0].status == "no_answer"
    (tmp_path / "s").unlink()
    held = trial(tmp_path, read_to_the_end, turn(expects_answer=False))[0]
    assert held.status == "ok"
    assert not held.agent.any()


def test_a_babbler_is_not_waited_for(tmp_path):
    def play(agent):
        with suppress(OSError):  # the caller has hung up
            for k in range(10, 200, 5):  # 100 ms of sound every 100 ms, without an end
                agent.wait_for_chunk(k)
                agent.speak()

    result, _ = trial(tmp_path, play, turn(expects_answer=False), listens=False)
    assert result.status == "ok"
    assert 0.9 <= len(result.user) / 16_000 <= 0.96  # 400 ms of audio, and 0.5 s


def test_a_false_start_in_the_users_speech_does_not_end_the_trial(tmp_path):
    def play(agent):
        agent.wait_for_chunk(7)
        agent.speak()  # 160–260 ms, before u_off at 300
        time.sleep(0.4)
        agent.speak()
        read_to_the_end(agent)

    result, _ = trial(tmp_path, play, turn(timeout_s=1.0))
    assert result.status == "ok"
    assert np.count_nonzero(result.agent) == 2 * RATE // 10


def test_an_agent_that_never_falls_silent_is_cut_off_at_the_limit(tmp_path):
    def play(agent):
        for _ in range(30):
            agent.speak()
        read_to_the_end(agent)

    result, _ = trial(tmp_path, play, limit_s=1.0)
    assert result.status == "cut_off"


def test_an_agent_that_stalls_is_waited_for_and_hears_everything_later(tmp_path):
    def play(agent):
        agent.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        time.sleep(1.0)
        agent.wait_for_chunk(40)
        agent.speak()
        read_to_the_end(agent)

    result, _ = trial(tmp_path, play, turn(timeout_s=3.0))
    assert (result.status, result.error) == ("ok", None)


def test_an_agent_that_hangs_up_is_an_error_and_what_was_heard_is_kept(tmp_path):
    def play(agent):
        agent.wait_for_chunk(10)
        agent.speak()
        agent.wait_for_chunk(20)

    result, _ = trial(tmp_path, play)
    assert result.status == "error"
    assert "closed its connection in mid-trial" in result.error
    assert np.count_nonzero(result.agent) > 0


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (encode(Message(Kind.AUDIO_OUT, payload=b"\x00")), "half a sample"),
        (b"HTTP/1.1 400 Bad Request\r\nServer: somebody else's\r\n\r\n", "out of step"),
    ],
)
def test_an_agent_that_talks_nonsense_is_an_error_of_its_trial_only(tmp_path, raw, sentence):
    def play(agent):
        agent.wait_for_chunk(2)
        agent.socket.sendall(raw)
        read_to_the_end(agent)

    result, _ = trial(tmp_path, play)
    assert result.status == "error"
    assert sentence in result.error


def test_a_cue_that_never_comes_is_said(tmp_path):
    result, _ = trial(tmp_path, read_to_the_end, turn(), turn(after="agent_end", delay_ms=800.0))
    assert result.status == "cue_missed"
    assert [m.turn for m in result.marks if m.event == "turn_start"] == [0]


def test_a_barge_in_begins_at_its_delay_after_the_agents_onset_to_the_sample(tmp_path):
    def play(agent):
        agent.wait_for_chunk(20)
        for _ in range(8):
            agent.speak()
        read_to_the_end(agent)

    result, _ = trial(
        tmp_path, play, turn(timeout_s=1.0), turn(after="agent_onset", delay_ms=250.0)
    )
    heard = np.flatnonzero(result.agent)[0] * 1_000_000_000 // RATE + result.t0_ns
    start = next(m.t_ns for m in result.marks if m.event == "turn_start" and m.turn == 1)
    assert abs(start - heard - 250_000_000) <= 2 * 62_500  # a sample of each clock's grid


def test_the_next_sentence_of_a_reply_that_was_broken_into_is_no_answer(tmp_path):
    """The third turn waits for an answer to the second, which began over the first one's reply."""

    def play(agent):
        agent.wait_for_chunk(20)
        for _ in range(4):
            agent.speak()  # the reply to the first turn: 400 ms from 420 on
        agent.wait_for_chunk(55)
        agent.speak()  # 1.1 s: its next sentence; the second turn is heard from 0.72 to 1.2 s
        agent.wait_for_chunk(75)
        agent.speak()  # 1.5 s: the answer
        read_to_the_end(agent)

    over = {"after": "agent_onset", "delay_ms": 200.0, "timeout_s": 2.0}
    pcm = np.zeros(11_200, np.int16)  # 700 ms, of which 100–580 are audible
    pcm[1600:9280] = 5000
    second = CallerTurn(pcm, 1600, 9280, **over)
    result, _ = trial(tmp_path, play, turn(timeout_s=2.0), second, turn(**over))
    begun = {m.turn: m.t_ns for m in result.marks if m.event == "turn_start"}
    off = next(m.t_ns for m in result.marks if m.event == "speech_off" and m.turn == 1)
    assert sorted(begun) == [0, 1, 2]
    assert begun[2] > off + 200_000_000


def test_after_what_wants_no_answer_the_user_goes_on_though_the_agent_fell_silent(tmp_path):
    def play(agent):
        agent.wait_for_chunk(20)
        agent.speak()
        read_to_the_end(agent)

    aside = turn(after="agent_onset", delay_ms=50.0, timeout_s=0.3, expects_answer=False)
    last = turn(after="agent_end", delay_ms=200.0, expects_answer=False)
    result, _ = trial(tmp_path, play, turn(timeout_s=1.0), aside, last)
    assert result.status == "ok"
    marks = {(m.event, m.turn): m.t_ns for m in result.marks}
    waited = marks["turn_start", 2] - marks["speech_off", 1]
    assert 500_000_000 <= waited < 600_000_000  # 300 ms for an answer, then 200
