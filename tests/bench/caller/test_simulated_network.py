"""Whole calls over a simulated network, in virtual time: on a line of packets, and over TCP."""

import time
from dataclasses import replace

import numpy as np
import pytest

from bench.caller.plan import CallerPlan, CallerTurn
from bench.caller.way import RTO_LEAST_MS
from bench.lines.local import Kind
from bench.metrics.compute import compute_trial
from bench.runner.trial import stereo_of
from bench.store.records import Trial
from pipelines.network.conditions import OWN, Direction, Network
from pipelines.network.named import NETWORKS
from tests.bench.caller.lock_step import call_in_steps

MS = 1_000_000
RATE = 24_000
LINES = ["local", "pcm-websocket"]
TONE = np.full(RATE // 10, 8000, np.int16)  # 100 ms


def turn():
    pcm = np.zeros(6400, np.int16)  # 400 ms, of which 100–300 are audible
    pcm[1600:4800] = 5000
    return CallerTurn(pcm, 1600, 4800, "start", delay_ms=0.0, timeout_s=3.0, wait_s=0.5)


def answers(agent):
    """An answer in ten messages, as soon as chunk 20 has come."""
    agent.wait_for_chunk(20)
    for part in np.split(TONE, 10):
        agent.speak(part.tobytes())
        time.sleep(0.01)
    agent.wait_for_chunk(10**6)


def own(up=None, down=None, seed=0):
    return Network(OWN, Direction(**(up or {})), Direction(**(down or {})), seed=seed)


def call(network, line="local", play=answers, seed="f.0"):
    plan = CallerPlan("t", 16_000, (turn(),), 10.0, network=network, network_seed=seed)
    return call_in_steps(plan, play, line)[0]


def onset_ms(result):
    return (next(m.t_ns for m in result.marks if m.event == "agent_onset") - result.t0_ns) / MS


def network_marks(result, event):
    return [m for m in result.marks if (m.stage, m.event) == ("network", event)]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("network", [own(), NETWORKS["ideal"]], ids=["zeros", "ideal"])
def test_no_loss_and_no_delay_change_no_mark(line, network):
    without, over = call(None, line), call(network, line)
    assert over.marks == without.marks
    assert np.array_equal(over.agent, without.agent)
    assert (over.status, over.chunks_sent) == (without.status, without.chunks_sent)


@pytest.mark.parametrize("line", LINES)
def test_a_delay_shifts_the_answer_by_exactly_both_ways(line):
    without, over = call(None, line), call(own({"delay_ms": 70}, {"delay_ms": 40}), line)
    assert onset_ms(over) - onset_ms(without) == 110
    # The greeting takes the way too: there and back, or, of an agent that the lab starts, back.
    greeting_ms = {"local": 40, "pcm-websocket": 110}[line]
    assert over.t0_ns - without.t0_ns == greeting_ms * MS
    assert over.status == "ok"
    trial = Trial("r", "p.f.0", "p", "f", 0, over.t0_ns, over.rate_hz, 1, kind="click",
                  chunks_sent=over.chunks_sent, weights="scripted", network="own")  # fmt: skip
    rows = compute_trial(trial, over.marks, stereo_of(over, 16_000), None)
    value = {(row.metric, row.subject): row.value for row in rows}
    assert value["network_up_ms", None] == 70
    assert value["network_down_ms", None] == 40
    assert value["network_lost_packets", "up"] == 0
    # What the network adds on purpose is no fault of the ruler's.
    assert value["mouth_lateness_max", None] == 0


@pytest.mark.parametrize("line", LINES)
def test_a_seed_gives_the_same_marks_again(line):
    network = own(
        {"delay_ms": 30, "jitter_ms": 10, "loss_percent": 10, "burst_packets": 2},
        {"delay_ms": 30, "jitter_ms": 10, "stall_every_s": 0.5, "stall_ms": 60},
    )
    first = call(network, line)
    assert call(network, line).marks == first.marks
    assert call(network, line, seed="f.1").marks != first.marks
    assert call(replace(network, seed=1), line).marks != first.marks


def test_over_packets_a_lost_chunk_of_the_agents_is_a_hole():
    whole = call(own(down={"delay_ms": 20}))
    lossy = call(own(down={"delay_ms": 20, "loss_percent": 40}))
    lost = [m.request_id for m in network_marks(lossy, "lost")]
    assert 0 < len(lost) < 10
    assert len(lossy.agent) == len(whole.agent)
    holes = np.flatnonzero((whole.agent != 0) & (lossy.agent == 0))
    assert len(holes) == 240 * len(lost)
    assert [m.t_ns for m in lossy.marks if m.event == "received"] == [
        m.t_ns for m in whole.marks if m.event == "received"
    ]


def test_over_packets_a_lost_chunk_of_the_users_is_silence_in_its_place():
    heard = []

    def listens(agent):
        def take(message):
            if message.kind is Kind.AUDIO_IN:
                heard.append((message.seq, message.a, any(message.payload)))
            return message

        feed = agent._decoder.feed
        agent._decoder.feed = lambda data: [take(message) for message in feed(data)]
        answers(agent)

    result = call(own({"delay_ms": 50, "loss_percent": 40}), play=listens)
    lost = [int(m.request_id[1:]) for m in network_marks(result, "lost")]
    spoken = range(5, 15)  # the chunks with sound
    assert lost
    assert [k for k, _, is_loud in heard if is_loud] == [k for k in spoken if k not in lost]
    # The agent's side is told when a chunk is due there, not when it was spoken.
    assert {due_ns - result.t0_ns - (k + 1) * 20 * MS for k, due_ns, _ in heard} == {50 * MS}


def test_over_tcp_a_loss_is_a_wait_and_nothing_is_missing():
    whole = call(own(down={"delay_ms": 20}), "pcm-websocket")
    lossy = call(own(down={"delay_ms": 20, "loss_percent": 40}), "pcm-websocket")
    assert sum(m.value for m in network_marks(lossy, "lost")) > 0
    assert np.count_nonzero(lossy.agent) == np.count_nonzero(whole.agent) == RATE // 10
    added = [m.value for m in network_marks(lossy, "passed_down")]
    assert 20 < max(added) <= 20 + 20 + RTO_LEAST_MS + 9 * 10


@pytest.mark.parametrize("line", LINES)
def test_the_last_words_of_an_agent_that_hangs_up_are_still_heard(line):
    def goes(agent):
        agent.wait_for_chunk(20)
        agent.speak(TONE.tobytes())

    result = call(own(down={"delay_ms": 90}), line, goes)
    assert (result.status, result.error) == ("hung_up", None)
    assert np.count_nonzero(result.agent) == RATE // 10
