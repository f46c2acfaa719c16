"""Whole conversations in virtual time: the loop, its deadlines and what it leaves behind."""

from typing import Any

import numpy as np
import pytest

from bench.caller.call import _wait_ready
from bench.caller.connection import AgentGoneError
from bench.caller.conversation import START_DELAY_NS, Conversation
from bench.caller.doubles import SilentLine, VirtualConnection
from bench.caller.plan import CallerPlan, CallerTurn
from bench.lines.line import Audio, Bye, Clear, LineError, Ready, Work
from pipelines.clock import FakeClock

MS = 1_000_000
RATE = 24_000
T0_MS = START_DELAY_NS // MS
TONE = np.full(RATE // 10, 8000, np.int16)  # 100 ms


def turn(**more):
    pcm = np.zeros(6400, np.int16)  # 400 ms, of which 100–300 are audible
    pcm[1600:4800] = 5000
    told: dict[str, Any] = {"after": "start", "delay_ms": 0.0, "timeout_s": 2} | more
    return CallerTurn(pcm, 1600, 4800, **told)


def tone(k, generation=0):
    return Audio(f"g{generation}:{k}", generation, TONE)


def converse(script, *turns, **more):
    """Plays it; script: (ms after t0, event). Returns the result and what the caller had sent."""
    clock = FakeClock()
    connection = VirtualConnection(clock, [((T0_MS + ms) * MS, event) for ms, event in script])
    plan = CallerPlan("t", 16_000, turns or (turn(),), **({"limit_s": 20.0} | more))
    conversation = Conversation(plan, connection, RATE, clock)
    conversation.run()
    return conversation.result(), connection.sent


def events(result, *names):
    """(event, turn, ms after t0) of the marks of these names, by time."""
    found = [(m.t_ns - result.t0_ns, m.event, m.turn) for m in result.marks if m.event in names]
    return [(event, number, ns // MS) for ns, event, number in sorted(found)]


class Writing(SilentLine):
    """A line that carries text."""

    def written(self, text):
        return text.encode()


def test_a_turn_that_is_written_is_sent_at_its_end_and_its_answer_is_timed_from_there():
    clock = FakeClock()
    connection = VirtualConnection(clock, [((T0_MS + 500) * MS, tone(0))])
    connection.line = Writing()
    silence = np.zeros(1600, np.int16)
    asked = CallerTurn(silence, 0, 1600, "start", delay_ms=95.0, timeout_s=2, written="hello")
    conversation = Conversation(CallerPlan("t", 16_000, (asked,), 20.0), connection, RATE, clock)
    conversation.run()
    result = conversation.result()
    # 95 ms are rounded up to a whole chunk: the text leaves with the one that ends at 200 ms.
    assert events(result, "speech_off", "written", "agent_onset") == [
        ("speech_off", 0, 200), ("written", 0, 200), ("agent_onset", 0, 500),
    ]  # fmt: skip
    assert connection.sent[10] == b"hello" and not result.user.any()
    assert [m.text for m in result.marks if m.event == "written"] == ["hello"]


def test_a_line_without_text_says_so():
    with pytest.raises(LineError, match="carries no text of the user's: --line stream does"):
        SilentLine().written("hello")


def test_an_answer_is_heard_to_the_millisecond_and_ends_the_call():
    result, sent = converse([(500, tone(0))])
    assert (result.status, result.rate_hz) == ("ok", RATE)
    names = ("speech_on", "speech_off", "agent_onset", "agent_end")
    assert events(result, *names) == [
        ("speech_on", 0, 100), ("speech_off", 0, 300), ("agent_onset", 0, 500),
        ("agent_end", 0, 600),
    ]  # fmt: skip
    # 1.5 s after the agent fell silent: the chunk that is due at 2100 ms is the last.
    assert len(sent) == result.chunks_sent == 105
    assert np.flatnonzero(result.agent)[[0, -1]].tolist() == [12_000, 14_399]


def test_every_chunk_goes_out_when_it_is_due():
    result, _ = converse([(500, tone(0))])
    sent_ns = [m.t_ns - result.t0_ns for m in result.marks if m.event == "chunk_sent"]
    assert sent_ns == [(k + 1) * 20 * MS for k in range(105)]


def test_a_second_turn_begins_at_its_delay_after_the_agent_fell_silent():
    second = turn(after="agent_end", delay_ms=800.0)
    result, _ = converse([(500, tone(0)), (2500, tone(1))], turn(), second)
    assert events(result, "turn_start") == [("turn_start", 0, 0), ("turn_start", 1, 1400)]
    assert events(result, "agent_end") == [("agent_end", 0, 600), ("agent_end", 1, 2600)]


def test_a_turn_without_an_answer_costs_one_turn_and_not_those_that_follow():
    second = turn(after="agent_end", delay_ms=800.0, goes_on=True)
    result, _ = converse([(4000, tone(0))], turn(), second)
    # Nothing is heard in the 2 s after 300 ms: the chunk due at 2320 ms is the first to know.
    assert events(result, "turn_start") == [("turn_start", 0, 0), ("turn_start", 1, 3120)]
    assert events(result, "agent_onset") == [("agent_onset", 1, 4000)]
    assert result.status == "ok"


def test_the_next_sentence_of_a_reply_that_was_broken_into_is_no_answer():
    """The third turn waits for an answer to the second, which began over the first one's reply."""
    over: dict[str, Any] = {"after": "agent_onset", "delay_ms": 200.0, "timeout_s": 2.0}
    pcm = np.zeros(11_200, np.int16)  # 700 ms, of which 100–580 are audible
    pcm[1600:9280] = 5000
    reply = [(420, tone(0)), (520, tone(1)), (620, tone(2))]  # to the first turn
    more = [(900, tone(3)), (1500, tone(4))]  # its next sentence; the answer to the second turn
    second = CallerTurn(pcm, 1600, 9280, **over)  # begins at 620: audible from 720 to 1200
    result, _ = converse([*reply, *more], turn(), second, turn(**over))
    begun = [("turn_start", 0, 0), ("turn_start", 1, 620), ("turn_start", 2, 1700)]
    assert events(result, "turn_start") == begun


def test_what_is_cleared_is_not_heard():
    script = [(500, tone(0)), (540, Clear(1)), (560, tone(1, generation=1))]
    result, _ = converse(script)
    heard = {m.request_id: m.value for m in result.marks if m.event == "heard"}
    assert heard == {"g0:0": 960, "g1:1": 2400}
    assert [m.value for m in result.marks if m.event == "cleared"] == [1440]


def test_an_agent_that_never_falls_silent_is_cut_off_at_the_limit():
    result, _ = converse([(500 + 100 * k, tone(k)) for k in range(100)], limit_s=3.0)
    assert result.status == "cut_off"
    assert result.chunks_sent == 151  # the first chunk that is due after 3 s


def test_a_greeting_is_listened_to_before_the_first_turn():
    result, _ = converse([(200, tone(0)), (2500, tone(1))], greeting_s=3.0)
    assert events(result, "turn_start") == [("turn_start", 0, 1800)]
    assert result.status == "ok"


def test_a_filler_is_not_the_end_while_a_function_runs():
    script = [(400, Work(1)), (500, tone(0)), (3500, Work(0)), (3510, Work(1)), (4000, tone(1)),
              (4010, Work(0))]  # fmt: skip
    result, _ = converse(script)
    assert (result.status, events(result, "agent_end")) == ("ok", [("agent_end", 0, 4100)])
    assert result.chunks_sent == 280  # 1.5 s after 4.1 s


def test_a_function_that_does_not_end_is_waited_for_and_said():
    result, _ = converse([(400, Work(1)), (500, tone(0))])
    assert result.status == "still_working"
    # u_off 0.3 s, a timeout of 2 s for an answer, 2 s more for the work: the next chunk after.
    assert result.chunks_sent == 216
    assert events(result, "agent_end") == [("agent_end", 0, 600)]


def test_a_moment_without_work_between_a_function_and_the_answer_is_no_end():
    result, _ = converse([(400, Work(1)), (500, tone(0)), (2300, Work(0)), (2750, tone(1))])
    assert events(result, "agent_end") == [("agent_end", 0, 2850)]


def test_an_agent_that_hangs_up_after_its_answer_ends_the_call_and_is_heard_to_the_end():
    result, _ = converse([(500, tone(0)), (510, tone(1)), (530, Bye())])
    assert (result.status, result.error) == ("hung_up", None)
    assert np.count_nonzero(result.agent) == 2 * RATE // 10
    assert len(result.user) == 16_000 * 7 // 10  # until 700 ms, when the last sample was heard


@pytest.mark.parametrize(
    ("at_ms", "turns", "sentence"),
    [
        (200, (turn(),), "the agent hung up before it had answered (the agent ended the conv"),
        (450, (turn(), turn(after="agent_end", delay_ms=800.0)), "the agent hung up in turn 1 of"),
    ],
)
def test_an_agent_that_hangs_up_too_early_says_when(at_ms, turns, sentence):
    clock = FakeClock()
    script = [((T0_MS + 150) * MS, tone(0)), ((T0_MS + at_ms) * MS, Bye())]
    conversation = Conversation(
        CallerPlan("t", 16_000, turns, 20.0), VirtualConnection(clock, script), RATE, clock
    )
    with pytest.raises(AgentGoneError) as gone:
        conversation.run()
    assert str(gone.value).startswith(sentence)
    result = conversation.result(str(gone.value))
    assert result.status == "error"
    assert np.count_nonzero(result.agent) > 0


# An agent whose channel is never silent: a hum of 50 Hz, its tones in place of it


def humming(total_ms, *tones_ms, dbfs=-40):
    """A script of 20 ms chunks: a hum from t0 on, and tones from … to … ms."""
    hum = 32768 * np.sqrt(2) * 10 ** (dbfs / 20) * np.sin(2 * np.pi * 50 * np.arange(480) / RATE)
    pcm = {True: np.full(480, 8000, np.int16), False: np.rint(hum).astype(np.int16)}
    said = [any(a <= ms < b for a, b in tones_ms) for ms in range(0, total_ms, 20)]
    return [(20 * k, Audio(f"g0:{k}", 0, pcm[is_said])) for k, is_said in enumerate(said)]


def test_an_answer_over_ambience_is_heard_and_ends_the_call():
    result, sent = converse(humming(9000, (900, 1600)))
    assert (result.status, result.note) == ("ok", None)
    names = ("speech_off", "agent_onset", "agent_end")
    assert events(result, *names) == [
        ("speech_off", 0, 300), ("agent_onset", 0, 900), ("agent_end", 0, 1600),
    ]  # fmt: skip
    assert len(sent) == 155  # 1.5 s after 1.6 s: by then the ambience is known


def test_an_agent_that_only_hums_gives_no_answer():
    result, sent = converse(humming(9000), turn(timeout_s=4))
    assert (result.status, len(sent)) == ("no_answer", 216)  # 4 s after u_off


def test_turns_wait_for_the_end_of_an_answer_over_ambience():
    second = turn(after="agent_end", delay_ms=800.0)
    result, _ = converse(humming(12_000, (900, 3500), (5200, 6000)), turn(), second)
    assert events(result, "turn_start") == [("turn_start", 0, 0), ("turn_start", 1, 4300)]
    assert events(result, "agent_end") == [("agent_end", 0, 3500), ("agent_end", 1, 6000)]


def test_a_greeting_over_ambience_ends():
    result, _ = converse(humming(12_000, (400, 3800), (6200, 7000)), greeting_s=4.0)
    assert events(result, "turn_start") == [("turn_start", 0, 5300)]
    assert (result.status, events(result, "spoke_over")) == ("ok", [])


def test_an_agent_that_hums_and_does_not_greet_is_spoken_to_after_the_wait():
    result, _ = converse(humming(12_000, (5200, 6000)), greeting_s=4.0)
    assert events(result, "turn_start") == [("turn_start", 0, 4000)]
    assert result.status == "ok"


def test_a_greeting_that_never_ends_is_spoken_over_and_that_is_said():
    """A hum as loud as speech: nothing tells it from a greeting."""
    result, _ = converse(humming(61_000, dbfs=-20), greeting_s=4.0, limit_s=60.0)
    assert events(result, "spoke_over", "turn_start") == [
        ("spoke_over", 0, 34_000), ("turn_start", 0, 34_000),
    ]  # fmt: skip
    (mark,) = [m for m in result.marks if m.event == "spoke_over"]
    assert (mark.value, mark.text) == (34, "−20 dBFS")
    assert result.status == "cut_off"
    assert result.note == (
        "the agent was never silent in the last 60 s (−20 dBFS at its quietest); if that is "
        "ambience, it can't be told from speech"
    )


def test_audio_that_comes_in_one_piece_with_the_readiness_is_heard_from_t0_on():
    class AtOnce(VirtualConnection):
        is_ready = False

        def listen(self, until_ns):
            if self.is_ready:
                return super().listen(until_ns)
            self.is_ready = True
            return [Ready(RATE), tone(0), tone(1)], self._clock()

    clock = FakeClock()
    connection = AtOnce(clock, [])
    rate_hz, early = _wait_ready(connection)
    assert (rate_hz, [e.chunk_id for e, _ in early if isinstance(e, Audio)]) == (
        RATE,
        ["g0:0", "g0:1"],
    )
    plan = CallerPlan("t", 16_000, (turn(timeout_s=0.5),), limit_s=20.0)
    conversation = Conversation(plan, connection, rate_hz, clock, early)
    conversation.run()
    heard = conversation.result().agent
    assert np.array_equal(heard[: 2 * len(TONE)], np.tile(TONE, 2))
    assert not heard[2 * len(TONE) :].any()


def test_what_the_agent_says_in_one_breath_with_its_being_ready_is_heard_from_the_start():
    clock = FakeClock()
    connection = VirtualConnection(clock, [((T0_MS + 500) * MS, tone(1))])
    early = [(tone(0), (T0_MS - 250) * MS)]
    conversation = Conversation(
        CallerPlan("t", 16_000, (turn(),), 20.0), connection, RATE, clock, early
    )
    conversation.run()
    assert np.flatnonzero(conversation.result().agent)[[0, 2_400]].tolist() == [0, 12_000]
