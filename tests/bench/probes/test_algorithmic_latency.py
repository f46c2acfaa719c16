"""The floor probe finds a delay that it was not told of."""

import random
from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest

from bench.probes.algorithmic_latency import WINDOW_FRAMES, Said, measure, speech_like
from pipelines.duplex.session.model import Pcm
from pipelines.errors import LabError


class Model:
    """A causal model of a known delay: says a function of the frame that it heard d steps ago."""

    def __init__(self, delay: int = 0, deaf_to: float = 0.0) -> None:
        self.queue: deque[Pcm] = deque(maxlen=delay + 1)
        self.delay, self.deaf_to, self.steps = delay, deaf_to, 0
        self.rng = random.Random(1)

    def step(self, pcm: Pcm) -> Pcm | None:
        deaf = self.rng.random() < self.deaf_to
        self.queue.append(np.zeros_like(pcm) if deaf else np.tanh(pcm))
        self.steps += 1
        return self.queue[0].copy() if self.steps > self.delay else None


class Hiding:
    """Another d frames around any model."""

    def __init__(self, inner: Model, extra: int) -> None:
        self.inner = inner
        self.waiting: deque[Pcm | None] = deque([None] * extra)

    def step(self, pcm: Pcm) -> Pcm | None:
        self.waiting.append(self.inner.step(pcm))
        return self.waiting.popleft()


def runner(make):
    def run(frames: Pcm) -> Iterator[Said]:
        session = make()
        return (Said(session.step(frame)) for frame in frames)

    return run


@pytest.mark.parametrize("seed", range(5))
def test_a_delay_hidden_in_a_wrapped_model_is_recovered(seed):
    hidden = random.Random().randrange(0, WINDOW_FRAMES - 1)
    floor = measure(runner(lambda: Hiding(Model(delay=1), hidden)), seed=seed, acoustic_frames=1)
    assert floor.frames == 2 + hidden, hidden
    assert floor.ms == (2 + hidden) * 80.0
    assert [n for _, n in floor.derivation()] == [1, 1, hidden]
    assert floor.spread == {2 + hidden: 20}


def test_the_known_implementations_come_out_as_160_and_240_ms():
    torch_like = measure(runner(lambda: Model(delay=1)), acoustic_frames=1)
    mlx_like = measure(runner(lambda: Model(delay=2)), acoustic_frames=1)
    assert (torch_like.ms, mlx_like.ms) == (160.0, 240.0)
    assert [n for _, n in torch_like.derivation()] == [1, 1, 0]
    assert [n for _, n in mlx_like.derivation()] == [1, 1, 1]


def test_a_model_that_answers_at_once_has_a_floor_of_the_frame_itself():
    floor = measure(runner(Model), acoustic_frames=1)
    assert floor.ms == 80.0
    assert [n for _, n in floor.derivation()] == [1, 0]


def test_positions_without_response_are_reported_and_the_minimum_counts():
    class Both(Model):
        """Says every third frame at once, and all of them two frames late."""

        def step(self, pcm: Pcm) -> Pcm | None:
            late = super().step(pcm)
            now = np.tanh(pcm) if self.steps % 3 == 0 else np.zeros_like(pcm)
            return now if late is None else now + late

    floor = measure(runner(lambda: Both(delay=2)), positions=24, seed=3)
    assert floor.frames == 1
    assert set(floor.spread) == {1, 3}
    assert sum(floor.spread.values()) == 24
    some_deaf = measure(runner(lambda: Model(delay=1, deaf_to=0.4)), positions=24)
    assert some_deaf.frames == 2
    assert len(some_deaf.silent) == 24 - some_deaf.spread[2] > 0


def test_a_model_that_does_not_listen_has_no_floor():
    class Deaf(Model):
        def step(self, pcm: Pcm) -> Pcm:
            return np.zeros_like(pcm)

    floor = measure(runner(Deaf))
    assert floor.frames is None and floor.ms is None
    assert floor.derivation() == []
    assert floor.to_dict()["floor_ms"] is None
    assert len(floor.silent) == 20


def test_a_model_that_differs_from_itself_is_refused():
    rng = np.random.default_rng()

    class Dice(Model):
        def step(self, pcm: Pcm) -> Pcm:
            return rng.standard_normal(len(pcm)).astype(np.float32)

    with pytest.raises(LabError, match="two sessions with the same seed and input differ"):
        measure(runner(Dice))


def test_a_model_that_loses_replies_is_refused():
    with pytest.raises(LabError, match="0 replies"):
        measure(lambda frames: iter(()))


def test_a_session_is_left_as_soon_as_it_differs():
    heard: list[int] = []

    class Counting(Model):
        def step(self, pcm: Pcm) -> Pcm | None:
            heard[-1] += 1
            return super().step(pcm)

    def run(frames: Pcm) -> Iterator[Said]:
        heard.append(0)
        session = Counting(delay=1)
        return (Said(session.step(frame)) for frame in frames)

    floor = measure(run)
    assert heard[2:] == [r.position + 2 for r in floor.responses]


def test_the_signal_is_speech_like_and_within_bounds():
    pcm = speech_like(50, np.random.default_rng(0))
    assert pcm.shape == (50, 1920) and pcm.dtype == np.float32
    assert np.abs(pcm).max() == pytest.approx(0.3)
    rms = np.sqrt((pcm**2).mean(axis=1))
    assert rms.max() > 2 * rms.min()


def test_what_is_said_is_distinguished_from_the_fine_detail_of_what_was_said_before():
    """Codes as the Moshi family samples them: the first a step before the other seven."""

    def run(frames: Pcm) -> Iterator[Said]:
        heard = [round(float(np.abs(frame).sum()), 3) for frame in frames]
        for t, now in enumerate(heard):
            before = heard[t - 1] if t else 0.0
            pcm = np.full(1920, before + 1e-3 * now, np.float32)
            yield Said(pcm, (hash(before), hash(now)))

    floor = measure(run, acoustic_frames=1)
    assert (floor.frames, floor.detail_frames) == (2, 1)
    assert [n for _, n in floor.derivation()] == [1, 1, 0]


def test_another_frame_of_the_same_content_is_detail():
    def run(frames: Pcm) -> Iterator[Said]:
        return (Said(frame, (7, int(frame[0] * 1e6))) for frame in frames)

    floor = measure(run)
    assert floor.frames is None
    assert floor.detail_frames == 1
