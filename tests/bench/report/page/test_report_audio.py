import base64
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import soundfile

from bench.report.page.audio import BUCKET_MS, LONG_BUCKET_MS, LONG_S, envelope, vorbis
from bench.simulated.turns import RATE_HZ, TurnPlan, trial_of


def test_vorbis_keeps_who_speaks_left_and_right_and_when():
    at_s = np.arange(4 * RATE_HZ) / RATE_HZ
    user = np.where((at_s >= 0.5) & (at_s < 2.0), np.sin(2 * np.pi * 220 * at_s), 0)
    agent = np.where((at_s >= 2.384) & (at_s < 3.284), np.sin(2 * np.pi * 400 * at_s), 0)
    pcm = (np.stack([user, agent], axis=1) * 8000).astype(np.int16)
    heard, rate_hz = soundfile.read(io.BytesIO(vorbis(pcm, RATE_HZ)), dtype="int16")
    assert rate_hz == RATE_HZ
    assert heard.shape == (4 * RATE_HZ, 2)
    loud = np.abs(heard.astype(int)) > 2000
    left, right = (np.flatnonzero(loud[:, channel]) / rate_hz for channel in (0, 1))
    assert abs(left[0] - 0.5) < 0.01
    assert abs(left[-1] - 2.0) < 0.01
    right = right[right > 2.2]
    assert abs(right[0] - 2.384) < 0.01
    assert abs(right[-1] - 3.284) < 0.01
    power = (heard.astype(float) ** 2)[round(0.5 * rate_hz) : round(2.0 * rate_hz)].mean(axis=0)
    assert power[1] < power[0] / 1000  # while the user speaks, 30 dB less on the agent's side


def test_vorbis_takes_less_than_a_tenth_of_the_samples():
    trial, _, pcm = trial_of([TurnPlan()])
    assert len(vorbis(pcm, trial.rate_hz)) < pcm.nbytes / 10


def test_a_recording_of_minutes_is_encoded_on_a_thread_which_has_a_small_stack():
    """In one piece, 90 s overflow the stack of a thread, and the process dies of it."""
    pcm = np.zeros((150 * 24_000 + 1, 2), np.int16)
    with ThreadPoolExecutor(1) as workers:
        data = workers.submit(vorbis, pcm, 24_000).result()
    assert soundfile.info(io.BytesIO(data)).frames == len(pcm)


def test_an_envelope_holds_the_least_and_the_largest_sample_of_each_bucket():
    pcm = np.zeros((RATE_HZ, 2), np.int16)
    pcm[RATE_HZ // 2, 0] = 32767
    pcm[RATE_HZ // 2 + 1, 0] = -32768
    pcm[0, 1] = 1  # barely there, but there
    found = envelope(pcm, RATE_HZ)
    user, agent = (
        np.frombuffer(base64.b64decode(text), np.int8).reshape(-1, 2)
        for text in (found.user, found.agent)
    )
    assert found.bucket_ms == BUCKET_MS
    assert len(user) == len(agent) == int(np.ceil(1000 / BUCKET_MS))
    bucket = int(500 / BUCKET_MS)
    assert user[bucket].tolist() == [-127, 127]
    assert not user[np.arange(len(user)) != bucket].any()
    assert agent[0].tolist() == [0, 1]
    assert not agent[1:].any()


def test_a_long_recording_is_drawn_more_coarsely():
    found = envelope(np.zeros((int(LONG_S + 1) * 8000, 2), np.int16), 8000)
    assert found.bucket_ms == LONG_BUCKET_MS
    assert len(base64.b64decode(found.user)) == 2 * (LONG_S + 1) * 1000 / LONG_BUCKET_MS


def test_nothing_recorded_is_an_empty_envelope():
    assert envelope(np.zeros((0, 2), np.int16), 8000).user == ""
