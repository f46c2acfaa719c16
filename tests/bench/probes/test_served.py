"""Figures of served conversations, from times that are known."""

import numpy as np
import pytest

from bench.probes.served import DISCARDED, Served, Talk
from pipelines.clock import NS_PER_MS


def spoken(answers_ms, late_ms=0.0, words="yes"):
    """A client's frames, each answered so many ms after it was sent."""
    due = [(k + 1) * 80 for k in range(len(answers_ms) + 1)]
    sent = [ms + late_ms for ms in due]
    heard = [ms + answer for ms, answer in zip(sent[1:], answers_ms, strict=True)]
    ns = [[round(ms * NS_PER_MS) for ms in times] for times in (due, sent, heard)]
    return Talk(ns[0], ns[1], ns[2], words=words)


def test_a_frame_s_latency_runs_from_its_sending_and_the_first_frames_do_not_count():
    talk = spoken([500.0] * DISCARDED + [12.0] * 98 + [15.0, 90.0])
    found = Served([talk, spoken([12.0] * (DISCARDED + 100))], 3.0, 40.0)
    assert found.frames == 200
    assert (found.latency(0.5), found.latency(0.99), found.latency(1.0)) == (12.0, 12.0, 90.0)
    assert found.drift is None and found.fault == ""


def test_a_frame_that_comes_after_the_last_was_played_misses_its_deadline():
    steady, one_late = [10.0] * 100, [10.0] * 100
    one_late[60] = 40.0  # 30 ms after the frame before was over
    assert spoken(steady).misses(0) == 0
    assert spoken(one_late).misses(0) == 1
    assert spoken(one_late).misses(80) == 0
    first_late = [300.0, *steady]
    assert spoken(first_late).misses(0) == 0  # it is the first deadline itself
    found = Served([spoken(steady), spoken(one_late)], 0, 0)
    assert found.miss_percent(0) == pytest.approx(100 / 150)
    assert found.keeps_up


def test_a_conversation_that_falls_behind_is_found_by_its_drift():
    n = 2_000  # 160 s
    growing = 10 + 0.16 * np.arange(n)  # 2 ms a second
    found = Served([spoken([10.0] * n), spoken(growing)], 0, 0)
    assert found.drift == pytest.approx(2.0, rel=0.01)
    assert not found.keeps_up
    assert Served([spoken([10.0] * n)], 0, 0).drift == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("talk", "fault"),
    [
        (spoken([10.0] * 50, late_ms=7.0), "clients late by 7.0 ms"),
        (spoken([]), "a conversation got no audio"),
        (Talk(error="the server is full"), "the server is full"),
    ],
    ids=["late", "deaf", "refused"],
)
def test_what_makes_a_measurement_worthless_is_said(talk, fault):
    found = Served([talk], 0, 0)
    assert found.fault == fault and not found.keeps_up
