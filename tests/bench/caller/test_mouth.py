import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.caller.mouth import Mouth

MS = 1_000_000
T0 = 7_000 * MS


def test_a_chunk_is_due_when_its_last_sample_is_spoken():
    mouth = Mouth(16_000, T0)
    assert mouth.due_ns(0) == T0 + 20 * MS
    assert mouth.due_ns(99) == T0 + 2_000 * MS


def test_a_turn_is_spoken_at_its_cue_to_the_sample():
    mouth = Mouth(16_000, T0)
    placed = mouth.schedule(0, np.ones(100, np.int16), 10, 90, T0 + 33 * MS)
    assert placed.start == 528
    assert (placed.u_on, placed.u_off, placed.end) == (538, 618, 628)
    sent = np.concatenate([mouth.chunk(k) for k in range(3)])
    assert np.flatnonzero(sent).tolist() == list(range(528, 628))


def test_a_cue_in_the_past_starts_with_the_next_chunk():
    mouth = Mouth(16_000, T0)
    mouth.next_k = 10
    assert mouth.schedule(0, np.ones(5, np.int16), 0, 5, T0 + 20 * MS).start == 3200


@given(
    start_ns=st.integers(0, 500 * MS),
    n=st.integers(1, 3000),
    rate_hz=st.sampled_from([8000, 16_000, 24_000]),
)
def test_the_chunks_joined_are_the_rendering(start_ns, n, rate_hz):
    mouth = Mouth(rate_hz, T0)
    pcm = np.arange(1, n + 1, dtype=np.int16)
    mouth.schedule(0, pcm, 0, n, T0 + start_ns)
    chunks = np.concatenate([mouth.chunk(k) for k in range(60)])
    assert np.array_equal(chunks, mouth.render(len(chunks)))
    assert np.count_nonzero(chunks) == n
