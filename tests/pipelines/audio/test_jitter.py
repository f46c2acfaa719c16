"""The jitter buffer against a simulation sample by sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio.jitter import PREROLL_MS, JitterBuffer

MS = 1_000_000


def test_the_first_chunk_waits_for_the_pre_roll_and_the_rest_follows():
    buffer = JitterBuffer(1000, 300)
    assert buffer.end_ns is None
    assert buffer.push(50 * MS, 80) == 350 * MS
    assert buffer.push(300 * MS, 80) == 430 * MS
    assert buffer.end_ns == 510 * MS
    assert (buffer.underruns, buffer.silent_ns, buffer.played_samples) == (0, 0, 160)


def test_by_default_it_is_300_ms():
    assert PREROLL_MS == 300
    assert JitterBuffer(24_000).push(0, 1920) == 300 * MS


def test_a_late_chunk_is_an_underrun_and_waits_again_or_not():
    again, at_once = JitterBuffer(1000, 100), JitterBuffer(1000, 100, rebuffer=False)
    for buffer in (again, at_once):
        buffer.push(0, 80)  # heard from 100 to 180
    assert again.push(200 * MS, 80) == 300 * MS
    assert at_once.push(200 * MS, 80) == 200 * MS
    assert (again.underruns, again.silent_ns) == (1, 120 * MS)
    assert (at_once.underruns, at_once.silent_ns) == (1, 20 * MS)


def test_a_chunk_that_comes_exactly_at_the_end_is_in_time():
    buffer = JitterBuffer(1000, 0)
    buffer.push(0, 80)
    assert buffer.push(80 * MS, 80) == 80 * MS
    assert buffer.underruns == 0


def test_silence_before_a_new_reply_is_meant():
    buffer = JitterBuffer(1000, 100)
    buffer.push(0, 80)
    assert buffer.push(5000 * MS, 80, new_reply=True) == 5100 * MS
    assert (buffer.underruns, buffer.silent_ns) == (0, 0)


def test_a_clear_cuts_what_is_not_yet_heard():
    buffer = JitterBuffer(1000, 100)
    buffer.push(0, 80)
    assert buffer.clear(140 * MS) == 40
    assert buffer.played_samples == 40
    assert buffer.clear(150 * MS) == 0
    buffer.push(200 * MS, 80, new_reply=True)
    assert buffer.clear(250 * MS) == 80  # it was still waiting
    assert buffer.push(260 * MS, 80, new_reply=True) == 360 * MS


def test_times_do_not_drift_at_an_odd_rate():
    buffer = JitterBuffer(22_050, 0)
    for _ in range(22_050):
        buffer.push(0, 441)
    assert buffer.end_ns == 441 * 1_000 * MS


@pytest.mark.parametrize(("rate_hz", "preroll_ms"), [(0, 0), (8000, -1)])
def test_what_can_not_be_is_refused(rate_hz, preroll_ms):
    with pytest.raises(ValueError, match="jitter buffer"):
        JitterBuffer(rate_hz, preroll_ms)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), min_size=1, max_size=30),
    st.integers(0, 50),
    st.booleans(),
)
def test_it_plays_what_a_loudspeaker_would_that_looks_every_millisecond(
    gaps_and_lengths, preroll, rebuffer
):
    """1 sample = 1 ms. A loudspeaker with a queue, tick by tick: what it plays, and when."""
    arrivals = np.cumsum([gap for gap, _ in gaps_and_lengths]).tolist()
    lengths = [length for _, length in gaps_and_lengths]
    buffer = JitterBuffer(1000, preroll, rebuffer=rebuffer)
    heard = [buffer.push(t * MS, n) // MS for t, n in zip(arrivals, lengths, strict=True)]

    queue: list[tuple[int, int]] = []  # (chunk, its sample)
    begun: dict[int, int] = {}
    opens, dry_since, dry, silent, played = None, None, 0, 0, 0
    upcoming = 0
    for now in range(arrivals[-1] + sum(lengths) + preroll * (len(lengths) + 1) + 2):
        while upcoming < len(arrivals) and arrivals[upcoming] <= now:
            in_time = dry_since is not None and arrivals[upcoming] == dry_since
            if not queue and opens is None and not in_time:
                first = dry_since is None
                opens = arrivals[upcoming] + (preroll if first or rebuffer else 0)
                dry += not first
            queue += [(upcoming, i) for i in range(lengths[upcoming])]
            upcoming += 1
        if opens is not None and now >= opens:
            if dry_since is not None:
                silent += now - dry_since
            opens, dry_since = None, None
        if queue and opens is None:
            chunk, _ = queue.pop(0)
            begun.setdefault(chunk, now)
            played += 1
            dry_since = now + 1 if not queue else None
    assert heard == [begun[i] for i in range(len(lengths))]
    assert played == buffer.played_samples == sum(lengths)
    assert (buffer.underruns, buffer.silent_ns // MS) == (dry, silent)
