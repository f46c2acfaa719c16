"""The scripted duplex model: exact times on a fake clock, when it speaks, what it says."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

from pipelines.audio.onsets import audible_spans, first_audible
from pipelines.clock import NS_PER_MS, NS_PER_S, FakeClock
from pipelines.duplex.scripted.mind import ScriptMind
from pipelines.duplex.scripted.model import ScriptedDuplex, ScriptedSession
from pipelines.duplex.scripted.options import ScriptOptions
from pipelines.duplex.scripted.service_times import service_times_ms
from pipelines.duplex.session.model import FRAME_SAMPLES, ContextEndError, Step
from pipelines.errors import SpecError
from pipelines.process.engine import EngineError
from pipelines.spec import load_spec, read_options

RATE = 24_000
SILENCE = np.zeros(FRAME_SAMPLES, np.float32)


class LateSleep:
    """A sleep that is always late by a little, as real ones are."""

    def __init__(self, clock: FakeClock, late_ms: float) -> None:
        self._clock = clock
        self._late_ns = round(late_ms * NS_PER_MS)

    def __call__(self, time_s: float) -> None:
        self._clock.advance(round(time_s * NS_PER_S) + self._late_ns)


def model_of(late_ms: float = 0.0, **script: Any) -> tuple[ScriptedDuplex, FakeClock]:
    clock = FakeClock(NS_PER_S)
    model = ScriptedDuplex(clock=clock, sleep=LateSleep(clock, late_ms), **script)
    model.load()
    return model, clock


def done_times(session: ScriptedSession, clock: FakeClock, arrivals_ms: list[float]) -> list[float]:
    """Feeds frames at these times, as `session.engine` would; their completions, ms."""
    start_ns = clock()
    done = []
    for arrival_ms in arrivals_ms:
        arrival_ns = start_ns + round(arrival_ms * NS_PER_MS)
        session.expect(waited=arrival_ns <= clock())
        clock.advance(max(0, arrival_ns - clock()))
        session.step(SILENCE)
        done.append((clock() - start_ns) / NS_PER_MS)
    return done


def test_with_backlog_completions_lie_on_cumulative_deadlines_however_late_sleeps_are():
    model, clock = model_of(late_ms=1.5, service_ms=86)
    with model.open() as session:
        done = done_times(session, clock, [80.0 * (i + 1) for i in range(1875)])  # 150 s
    assert np.diff(done).mean() == pytest.approx(86.0, abs=0.002)
    wall_s = (done[-1] - done[0]) / 1000
    consumed_s = 0.080 * (len(done) - 1)
    assert (wall_s - consumed_s) / wall_s * 1000 == pytest.approx(69.8, abs=0.1)


def test_a_first_frame_that_was_there_before_the_session_takes_its_time_too():
    model, clock = model_of(service_ms=86)
    clock.advance(1000 * NS_PER_MS)  # a script that counted from the clock's 0 would be late
    with model.open() as session:
        assert done_times(session, clock, [0.0, 0.0, 0.0]) == [86.0, 172.0, 258.0]


def test_without_backlog_every_frame_takes_its_own_time_from_when_it_came():
    model, clock = model_of(service_ms=60)
    with model.open() as session:
        assert done_times(session, clock, [80, 160, 250, 320]) == [140, 220, 310, 380]


def test_a_list_is_played_exactly_and_from_its_beginning_in_each_session():
    model, clock = model_of(service="list", service_list_ms=[10, 70, 30])
    for _ in range(2):
        with model.open() as session:
            assert done_times(session, clock, [80, 160, 240, 320]) == [90, 230, 270, 330]


def test_a_recorded_run_is_played_exactly(tmp_path):
    path = tmp_path / "times.txt"
    path.write_text("# ms\n85.5\n 90 # slow\n\n80\n")
    options = ScriptOptions(service="recorded", recorded=str(path))
    assert list(islice(service_times_ms(options), 4)) == [85.5, 90.0, 80.0, 85.5]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "can't be read"),
        ("# nothing\n", "holds no compute times"),
        ("80\nfast\n", "line 2: 'fast' is not a time in ms"),
        ("nan\n", "line 1: 'nan' is not a time in ms"),
    ],
)
def test_a_recorded_run_that_is_none_is_refused(tmp_path, text, sentence):
    path = tmp_path / "times.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(EngineError, match=sentence):
        model_of(service="recorded", recorded=str(path))


def test_drawn_times_have_the_distribution_and_the_same_seed_gives_the_same():
    normal = ScriptOptions(service="normal", service_ms=86, spread=4, seed=2)
    times = list(islice(service_times_ms(normal), 4000))
    assert np.mean(times) == pytest.approx(86, abs=0.3)
    assert np.std(times) == pytest.approx(4, abs=0.2)
    assert times[:50] == list(islice(service_times_ms(normal), 50))
    skewed = ScriptOptions(service="lognormal", service_ms=70, spread=0.2)
    times = list(islice(service_times_ms(skewed), 4000))
    assert np.median(times) == pytest.approx(70, abs=1)
    assert np.std(np.log(times)) == pytest.approx(0.2, abs=0.01)


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(SpecError, match="service_ms = -1 must be from 0 to 60000 ms"):
        read_options(ScriptOptions, {"service_ms": -1}, "mine")
    with pytest.raises(ValueError, match="needs service_list_ms"):
        ScriptOptions(service="list")
    with pytest.raises(ValueError, match="needs times_s"):
        ScriptOptions(speak="times")


def tone(seconds: float) -> np.ndarray:
    t_s = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.cos(2 * np.pi * 400 * t_s)).astype(np.float32)


def begins(options: ScriptOptions, signal: np.ndarray) -> list[int]:
    """Samples of the input's time at which replies begin."""
    mind, found = ScriptMind(options), []
    padded = np.pad(signal, (0, -len(signal) % FRAME_SAMPLES))
    for start in range(0, len(padded), FRAME_SAMPLES):
        begin, _ = mind.hear(padded[start : start + FRAME_SAMPLES])
        if begin is not None:
            found.append(start + begin)
    return found


@pytest.mark.parametrize("end_ms", [400, 411, 480, 557.3])
@pytest.mark.parametrize("gate_ms", [40, 200])
def test_the_gate_opens_to_the_sample_after_the_users_last_audible_one(end_ms, gate_ms):
    speech = tone(end_ms / 1000)
    loud = np.flatnonzero(np.abs(speech) >= 10 ** (-50 / 20))
    signal = np.concatenate((speech, np.zeros(RATE, np.float32)))
    wanted = int(loud[-1]) + 1 + round(gate_ms * RATE / 1000)
    assert begins(ScriptOptions(gate_ms=gate_ms), signal) == [wanted]


def test_the_gate_opens_once_for_each_speech_and_not_in_a_short_pause():
    pause, long = np.zeros(RATE // 10, np.float32), np.zeros(RATE // 2, np.float32)
    signal = np.concatenate((tone(0.3), pause, tone(0.3), long, tone(0.2), long))
    found = begins(ScriptOptions(gate_ms=200), signal)
    assert found == pytest.approx([0.9 * RATE, 1.6 * RATE], abs=30)


def test_a_timetable_is_kept_to_the_sample_and_silence_alone_makes_nobody_speak():
    silence = np.zeros(2 * RATE, np.float32)
    timetable = ScriptOptions(speak="times", times_s=(0.5, 1.23))
    assert begins(timetable, silence) == [12_000, 29_520]
    assert begins(ScriptOptions(), silence) == []
    assert begins(ScriptOptions(speak="never"), np.concatenate((tone(0.5), silence))) == []


def steps_of(model: ScriptedDuplex, signal: np.ndarray) -> list[Step]:
    with model.open() as session:
        padded = np.pad(signal, (0, -len(signal) % FRAME_SAMPLES))
        return [session.step(frame) for frame in padded.reshape(-1, FRAME_SAMPLES)]


def test_it_speaks_its_phrase_from_that_sample_on_and_reports_its_words():
    model, _ = model_of(service_ms=1, speak="times", times_s=[0.5], phrase="yes I will do it")
    steps = steps_of(model, np.zeros(4 * RATE, np.float32))
    said = np.concatenate([step.pcm for step in steps if step.pcm is not None])
    assert len(said) == len(steps) * FRAME_SAMPLES
    assert first_audible(said, RATE) == 12_000
    speech = model.speech("yes I will do it")
    np.testing.assert_array_equal(said[12_000 : 12_000 + len(speech)], speech)
    assert not said[12_000 + len(speech) :].any()
    assert "".join(step.text for step in steps) == " yes I will do it"
    words = [i for i, step in enumerate(steps) if step.text]
    assert words[0] == 6  # 0.5 s is in frame 6
    assert words[-1] <= 6 + len(speech) // FRAME_SAMPLES
    assert not any(step.forced for step in steps)


def test_it_listens_while_it_speaks_and_yields_only_if_it_is_asked_to():
    signal = np.concatenate((np.zeros(RATE, np.float32), tone(1.0), np.zeros(RATE, np.float32)))
    lengths = {}
    for yields_ms in (0, 300):
        model, _ = model_of(service_ms=0, speak="times", times_s=[0.6], yields_ms=yields_ms)
        steps = steps_of(model, signal)
        loud = [i for i, step in enumerate(steps) if step.pcm is not None and step.pcm.any()]
        lengths[yields_ms] = (loud[-1] + 1) * 0.08
    assert lengths[0] > 2.5
    assert 1.1 <= lengths[300] <= 1.36  # the user has spoken for 0.3 s at 1.3 s


def test_a_text_to_say_is_forced_word_by_word_and_spoken():
    model, _ = model_of(service_ms=0)
    with model.open() as session:
        session.say("good morning")
        steps = [session.step(SILENCE) for _ in range(4)]
    assert [(s.text, s.forced) for s in steps[:2]] == [(" good", True), (" morning", True)]
    assert not steps[2].text and steps[0].pcm is not None and steps[0].pcm.any()


def test_its_context_ends_where_the_script_says():
    model, _ = model_of(service_ms=0, context_frames=3)
    with model.open() as session:
        for _ in range(3):
            session.step(SILENCE)
        with pytest.raises(ContextEndError):
            session.step(SILENCE)


def test_it_reports_what_it_left_unsaid_in_the_frame_in_which_it_yields_and_in_no_other():
    model, _ = model_of(service_ms=0, speak="times", times_s=[0.0], yields_ms=300)
    signal = np.concatenate((np.zeros(RATE, np.float32), tone(1.0)))
    steps = steps_of(model, signal)
    told = {i: step.unsaid_ms for i, step in enumerate(steps) if step.unsaid_ms is not None}
    # The user is audible from 1.0 s, in the middle of frame 12: at its end for 40 ms, and for
    # 360 ms at the end of frame 16, which is then silent; 16 frames of the phrase were said.
    length_ms = len(model.speech(model.options.phrase)) * 1e3 / RATE
    assert told == {16: pytest.approx(length_ms - 16 * 80)}


def test_it_has_nothing_left_unsaid_where_it_had_ended():
    model, _ = model_of(service_ms=0, speak="never", yields_ms=300)
    assert all(step.unsaid_ms is None for step in steps_of(model, tone(1.0)))


def test_the_preset_that_yields_speaks_for_more_than_5_s_without_a_pause():
    model, _ = model_of(phrase=load_spec("duplex-scripted-yield").stages["script"].phrase)
    (span,) = audible_spans(model.speech(model.options.phrase), RATE)
    assert span.start == 0
    assert 5.6 < span.end / RATE < 5.8
