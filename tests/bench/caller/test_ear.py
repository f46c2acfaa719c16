import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.caller.decisions import audible
from bench.caller.ear import Ear
from pipelines.audio.jitter import JitterBuffer
from pipelines.clock import samples_to_ns

MS = 1_000_000
T0 = 5_000 * MS
RATE = 24_000


def chunk(n: int, value: int = 1000) -> np.ndarray:
    return np.full(n, value, np.int16)


def test_a_chunk_that_meets_silence_is_heard_when_it_arrives():
    ear = Ear(RATE, T0)
    heard = ear.receive("g0:0", 0, chunk(240), T0 + 100 * MS)
    assert heard.heard_ns == T0 + 100 * MS
    out = ear.render(T0 + 200 * MS)
    assert len(out) == 4800
    assert np.flatnonzero(out)[0] == 2400
    assert np.flatnonzero(out)[-1] == 2639


def test_a_chunk_that_meets_a_queue_is_heard_after_it():
    ear = Ear(RATE, T0)
    ear.receive("g0:0", 0, chunk(480), T0 + 100 * MS)
    second = ear.receive("g0:1", 0, chunk(240), T0 + 105 * MS)
    assert second.heard_ns == T0 + 120 * MS
    assert ear.queue_end_ns == T0 + 130 * MS


def test_chunks_of_an_odd_rate_join_without_a_gap():
    ear = Ear(22_050, T0)
    for i in range(50):
        ear.receive(f"g0:{i}", 0, chunk(220), T0 + 10 * MS)
    out = ear.render(T0 + 11 * MS + samples_to_ns(50 * 220, 22_050))
    loud = np.flatnonzero(out)
    assert len(loud) == 50 * 220
    assert loud[-1] - loud[0] == 50 * 220 - 1


def test_a_clear_cuts_what_is_not_yet_heard_and_counts_it():
    ear = Ear(RATE, T0)
    ear.receive("g0:0", 0, chunk(2400), T0)  # 100 ms
    assert ear.clear(1, T0 + 40 * MS) == 2400 - 960
    assert ear.cleared == [(T0 + 40 * MS, "g0:0", 1440)]
    assert np.count_nonzero(ear.render(T0 + 200 * MS)) == 960


def test_a_clear_with_nothing_queued_cuts_nothing():
    ear = Ear(RATE, T0)
    ear.receive("g0:0", 0, chunk(240), T0)
    assert ear.clear(1, T0 + 50 * MS) == 0
    assert ear.cleared == []


def test_a_stale_chunk_that_arrives_after_a_clear_is_never_heard():
    ear = Ear(RATE, T0)
    ear.clear(1, T0 + 10 * MS)
    assert ear.receive("g0:7", 0, chunk(240), T0 + 12 * MS) is None
    assert ear.cleared == [(T0 + 12 * MS, "g0:7", 240)]
    assert not ear.render(T0 + 100 * MS).any()


def test_after_a_clear_the_next_reply_is_heard_at_once():
    ear = Ear(RATE, T0)
    ear.receive("g0:0", 0, chunk(24_000), T0)  # one second
    ear.clear(1, T0 + 100 * MS)
    reply = ear.receive("g1:1", 1, chunk(240), T0 + 300 * MS)
    assert reply.heard_ns == T0 + 300 * MS


def test_live_cues_see_audible_sound_only_and_end_at_a_clear():
    ear = Ear(RATE, T0)
    ear.receive("g0:0", 0, chunk(2400, value=3), T0)
    assert audible(ear.audible, T0, T0 + 500 * MS) == []
    ear.receive("g0:1", 0, chunk(2400), T0 + 100 * MS)
    assert audible(ear.audible, T0, T0 + 500 * MS) == [(T0 + 100 * MS, T0 + 200 * MS)]
    ear.clear(1, T0 + 150 * MS)
    assert audible(ear.audible, T0, T0 + 500 * MS) == [(T0 + 100 * MS, T0 + 150 * MS)]


@given(
    st.lists(st.tuples(st.integers(0, 50_000_000), st.integers(1, 700), st.booleans()), max_size=30)
)
def test_every_sample_is_either_heard_or_cleared(events):
    ear, now, sent, generation = Ear(22_050, T0), T0, 0, 0
    for i, (wait_ns, n, clears) in enumerate(events):
        now += wait_ns
        if clears:
            generation += 1
            ear.clear(generation, now)
        ear.receive(f"g{generation}:{i}", generation, chunk(n), now)
        sent += n
    heard = np.count_nonzero(ear.render(now + 60_000 * MS))
    assert heard == sum(c.heard_samples for c in ear.chunks)
    assert heard + sum(samples for _, _, samples in ear.cleared) == sent


def test_with_a_pre_roll_what_meets_silence_waits_and_the_rest_follows():
    ear = Ear(RATE, T0, 300)
    assert ear.receive("g0:0", 0, chunk(1920), T0 + 100 * MS).heard_ns == T0 + 400 * MS
    assert ear.receive("g0:1", 0, chunk(1920), T0 + 390 * MS).heard_ns == T0 + 480 * MS
    late = ear.receive("g0:2", 0, chunk(1920), T0 + 600 * MS)
    assert late.heard_ns == T0 + 900 * MS
    out = ear.render(T0 + 1100 * MS)
    assert np.flatnonzero(out)[0] == 9600
    assert np.count_nonzero(out) == 3 * 1920


def test_what_was_cut_while_it_waited_leaves_no_trace_and_the_next_waits_again():
    ear = Ear(RATE, T0, 300)
    ear.receive("g0:0", 0, chunk(1920), T0 + 100 * MS)
    assert ear.clear(1, T0 + 150 * MS) == 1920
    assert ear.receive("g1:0", 1, chunk(1920), T0 + 200 * MS).heard_ns == T0 + 500 * MS
    assert np.flatnonzero(ear.render(T0 + 600 * MS))[0] == 12_000


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 4000)), min_size=1, max_size=20),
    st.integers(0, 300),
)
def test_the_ear_hears_what_the_jitter_buffer_says(arrivals, preroll_ms):
    ear, buffer, now = Ear(RATE, T0, preroll_ms), JitterBuffer(RATE, preroll_ms), T0 + 1
    for i, (gap_ms, samples) in enumerate(arrivals):
        now += gap_ms * MS
        heard = ear.receive(f"g0:{i}", 0, chunk(samples), now)
        assert heard.heard_ns == buffer.push(now, samples)


def test_a_stream_that_is_too_slow_is_stretched_into_one_without_holes():
    tone = (8000 * np.sin(2 * np.pi * 220 * np.arange(100 * 1920) / RATE)).astype(np.int16)
    ears = {stretch: Ear(RATE, T0, 300, stretch=stretch) for stretch in (False, True)}
    holes = {}
    for stretch, ear in ears.items():
        for i in range(100):
            ear.receive(f"g0:{i}", 0, tone[1920 * i : 1920 * (i + 1)], T0 + (i + 1) * 86 * MS)
        heard = [c for c in ear.chunks if c.heard_samples]
        ends = [c.heard_ns + samples_to_ns(c.heard_samples, RATE) for c in heard]
        pairs = zip(ends, heard[1:], strict=False)
        holes[stretch] = sum(after.heard_ns > end + MS for end, after in pairs)
    assert holes[False] > 0 and holes[True] == 0
    out = ears[True].render(T0 + 8000 * MS)[RATE : 7 * RATE].astype(float)
    hz = np.argmax(np.abs(np.fft.rfft(out * np.hanning(len(out))))) * RATE / len(out)
    assert abs(hz - 220) < 1.1
