"""An answer counts where its words are known: from the line, else from a recogniser."""

from dataclasses import replace

import numpy as np
import pytest

from bench.caller.plan import CallerResult
from bench.capacity.calls import Ordered
from bench.capacity.doubles.queue_calls import QueueCallers
from bench.capacity.keeping import Heard, Keeper, needs_ears
from bench.fixtures.library import select
from bench.runner.trial import caller_plan
from bench.store.records import Trial
from bench.timeline.frames_heard import stream_misses
from bench.timeline.timeline import reconstruct
from pipelines.marks import stamp
from pipelines.remote.preset import remote_specs


def spec(weights):
    (found,) = remote_specs(["ws://127.0.0.1:1/talk"], ["pcm-websocket"], [])
    return replace(
        found,
        name="p",
        weights=weights,
        stages={"agent": replace(found.stages["agent"], greeting_s=0.0)},
    )


def kept(tmp_path, weights, words, *, listens=True):
    """A call that is kept: its row and its voice_to_voice."""
    (fixture,) = select("cmd_stop")
    plan = caller_plan("p@1.cmd_stop.0-0", spec(weights), fixture)
    results: dict[int, CallerResult] = {}
    QueueCallers(0.5, 1, words).play([Ordered(0.0, plan)], results.__setitem__)
    keeper = Keeper(tmp_path, spec(weights), listens=listens)
    heard = Heard(plan.trial_id, "p@1", 0, plan.in_rate_hz, results[0])
    trial, rows = keeper.keep(fixture, heard)
    return trial, next(row for row in rows if row.metric == "voice_to_voice")


def test_an_answer_whose_words_the_line_gives_counts(tmp_path):
    _, row = kept(tmp_path, "trained", "the door is open")
    assert row.valid and row.value == pytest.approx(1000, abs=1)


def test_a_tone_in_which_a_recogniser_hears_no_word_or_nobody_listens_does_not(tmp_path):
    _, row = kept(tmp_path, "trained", "", listens=False)
    assert not row.valid and "no recogniser has listened" in row.reason


def test_scripted_answers_are_known_and_need_no_words(tmp_path):
    trial, row = kept(tmp_path, "scripted", "")
    assert row.valid and row.value == pytest.approx(1000, abs=1)
    assert not needs_ears(trial, [])


def test_synthetic_weights_carry_no_conversation_behind_a_server_either(tmp_path):
    _, row = kept(tmp_path, "synthetic", "the door is open")
    assert row.value is None and "synthetic weights" in row.reason


def test_a_recogniser_listens_only_where_the_line_gave_no_word(tmp_path):
    trial, _ = kept(tmp_path, "trained", "", listens=False)
    assert needs_ears(trial, [])
    assert not needs_ears(trial, [stamp("line", "agent_text", t_ns=1, text="yes")])
    assert not needs_ears(replace(trial, rate_hz=0), [])  # the agent never came


def stream(*arrivals_ms):
    """A timeline of an agent's audio that arrives at known times, ms, in frames of 80 ms."""
    marks = [
        stamp("ear", "received", t_ns=round(ms * 1e6), request_id=f"g0:{i}", value=1920)
        for i, ms in enumerate(arrivals_ms)
    ]
    trial = Trial("r", "p@1.f.0", "p@1", "f", 0, 0, 24_000, 1, weights="trained", kind="remote")
    return reconstruct(replace(trial, rate_hz=24_000), marks, None)


def test_a_frame_that_came_after_all_before_it_was_played_missed_its_deadline():
    on_time = np.arange(100) * 80.0
    assert stream_misses(stream(*on_time)).missed == 0
    late = on_time.copy()
    late[60:] += 30.0  # one hole; later ones are on time against the new schedule
    found = stream_misses(stream(*late))
    assert (found.missed, found.frames) == (1, 75)  # the first 25 count in nothing


def test_an_agent_that_speaks_in_answers_has_no_deadlines():
    answers = [*(np.arange(20) * 80.0), *(6_000 + np.arange(40) * 80.0)]
    assert stream_misses(stream(*answers)) is None
    assert stream_misses(stream()) is None
