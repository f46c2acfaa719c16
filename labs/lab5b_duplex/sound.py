"""Lab 5b's audio: latents like Mimi's, log-mel frames of the fixtures, and the way back to sound.

There is no trained codec in this lab, so the way back is Griffin and Lim's: it invents the phase.
The loss by that alone is measured beside the loss by the codebooks.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.fixtures.library import RATE_HZ, load, read_pcm
from bench.fixtures.library import fixtures_root as root
from bench.stats.word_errors import word_errors

WINDOW, HOP, BANDS = 512, 160, 40
STACKED = 2
FRAME_HZ = RATE_HZ / HOP / STACKED
"""Frames per second: two hops of 10 ms make a frame of 20 ms. Mimi's trained encoder needs one
vector per 80 ms; without it we need four."""
TRAINING = (
    "cmd_blue_ball_table,cmd_bring_green_cup,cmd_close_door,cmd_find_key,cmd_go_forward,"
    "cmd_go_kitchen,cmd_light_on,cmd_open_box,cmd_pen_desk,cmd_purple_sock,cmd_toy_car,"
    "cmd_turn_left,greet_hello,greet_morning,q_can_do,q_colour_book,q_cup_on_shelf,q_on_shelf,"
    "q_where_blue_ball,q_who_made,refuse_pizza,refuse_weather,long_ball_basket,long_plate_table,"
    "cmd_red_block_window,cmd_wait,refuse_music,q_key_under_sofa"
)
HELD_OUT = (
    "cmd_bring_yellow_book,cmd_plate_shelf,cmd_go_door_wait,cmd_lamp_off,q_where_key,q_on_table,"
    "long_key_door,cmd_spoon,cmd_follow_me,q_name"
)
"""Sentences on which no codebook is trained."""
_FLOOR = 1e-5

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One fixture's audio."""

    name: str
    voice: str
    """Name of the speaker."""
    text: str
    pcm: Array
    """(n,) in ±1, 16 kHz."""
    frames: Array
    """(t, 80): two log-mel spectra of 40 bands, standardised over all bands together."""


def sentences(names: str) -> list[Sentence]:
    """The first turn of each fixture."""
    found = []
    for name in names.split(","):
        fixture = load(root() / f"{name}.toml")
        turn = fixture.turns[0]
        pcm = read_pcm(turn).astype(np.float64) / 32768
        voice = fixture.origin.partition("voice ")[2].partition(",")[0]
        found.append(Sentence(name, voice, turn.text, pcm, frames_of(pcm)))
    return found


def mimi_like(count: int, seed: int, size: int = 64) -> Array:
    """(count, size): vectors at 12.5 Hz as an encoder might give them.

    Few directions hold most of the energy, and each frame is like the one before. They are made up:
    Mimi's own have 512 dimensions and hold what its training gave them.
    """
    mixing = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))[0]
    rng = np.random.default_rng(seed)
    latents = np.empty((count, size))
    state = rng.normal(size=size)
    for index in range(count):
        state = 0.6 * state + 0.8 * rng.normal(size=size)
        latents[index] = state
    mixed: Array = (latents / (1 + np.arange(size)) ** 0.7) @ mixing
    return mixed


def snr_db(wanted: Array, got: Array) -> float:
    """Power of the signal over power of the error, dB."""
    signal, noise = np.mean((wanted - wanted.mean(0)) ** 2), np.mean((wanted - got) ** 2)
    return float(10 * np.log10(signal / noise))


def frames_of(pcm: Array) -> Array:
    """Samples → (t, 80) log-mel frames."""
    spectrum = np.abs(_stft(pcm))
    mel = np.log(np.maximum(spectrum @ _bands().T, _FLOOR))
    whole = len(mel) // STACKED * STACKED
    frames: Array = (mel[:whole] + 4.0).reshape(-1, STACKED * BANDS) / 2.0
    return frames


def sound_of(frames: Array, rounds: int = 40) -> Array:
    """(t, 80) log-mel frames → samples, by Griffin and Lim's way: a phase that fits itself."""
    mel = np.exp(frames.reshape(-1, BANDS) * 2.0 - 4.0)
    magnitude = np.maximum(mel @ _inverse_bands().T, 0.0)
    rng = np.random.default_rng(0)
    phase = np.exp(2j * np.pi * rng.random(magnitude.shape))
    pcm = _istft(magnitude * phase)
    for _ in range(rounds):
        again = _stft(pcm)[: len(magnitude)]
        phase = again / np.maximum(np.abs(again), 1e-12)
        pcm = _istft(magnitude[: len(phase)] * phase)
    peak = np.abs(pcm).max()
    return pcm * min(1.0, 0.9 / peak) if peak else pcm


def _stft(pcm: Array) -> NDArray[np.complex128]:
    padded = np.pad(pcm, WINDOW // 2)
    cut = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    return np.fft.rfft(cut * np.hanning(WINDOW), axis=1)


def _istft(spectrum: NDArray[np.complex128]) -> Array:
    window = np.hanning(WINDOW)
    parts = np.fft.irfft(spectrum, WINDOW, axis=1) * window
    length = (len(parts) - 1) * HOP + WINDOW
    pcm, weight = np.zeros(length), np.zeros(length)
    for index, part in enumerate(parts):
        at = slice(index * HOP, index * HOP + WINDOW)
        pcm[at] += part
        weight[at] += window**2
    whole: Array = (pcm / np.maximum(weight, 1e-3))[WINDOW // 2 : length - WINDOW // 2]
    return whole


@functools.cache
def _bands() -> Array:
    """(40, 257): triangles, evenly spaced on the mel scale from 60 Hz to 7.6 kHz."""

    def mel(hz: float) -> float:
        return 2595 * float(np.log10(1 + hz / 700))

    edges = 700 * (10 ** (np.linspace(mel(60), mel(7600), BANDS + 2) / 2595) - 1)
    hz = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (hz - low) / (middle - low), (high - hz) / (high - middle)
    triangles: Array = np.maximum(0.0, np.minimum(rise, fall))
    return triangles


@functools.cache
def _inverse_bands() -> Array:
    return np.asarray(np.linalg.pinv(_bands()), np.float64)


class Recogniser:
    """The lab's recogniser, the cascades' own: PocketSphinx with the creature's sentences."""

    def __init__(self) -> None:
        from pipelines.engines.stt.pocketsphinx import PocketSphinxEngine

        self._engine = PocketSphinxEngine()
        self._engine.load()
        self._engine.warm_up()

    def text(self, pcm: Array) -> str:
        """The words that it hears in samples at 16 kHz."""
        from pipelines.process.engine import Emit, Request

        told: list[dict[str, Any]] = []
        request = Request("lab5b", "utterance", {"fresh": True}, b"")
        samples = np.clip(pcm * 32768, -32768, 32767).astype(np.int16)
        request.feed({}, samples.tobytes())
        request.feed({"last": True}, b"")
        self._engine.run(request, Emit(request, lambda header, _pcm, _marks: told.append(header)))
        return str(told[-1].get("final", "")) if told else ""


def word_error_rate(spoken: list[str], heard: list[str]) -> float:
    """Word errors over all sentences, per word spoken."""
    counted = [word_errors(a, b) for a, b in zip(spoken, heard, strict=True)]
    return sum(c.errors for c in counted) / sum(c.words for c in counted)


def voice_of(frames: Array, profiles: dict[str, Array]) -> str:
    """The voice by the nearest of the voices' mean spectra, over the loud frames."""
    mean = profile(frames)
    return min(profiles, key=lambda voice: float(np.sum((profiles[voice] - mean) ** 2)))


def profile(frames: Array) -> Array:
    """(80,): a voice's mean spectrum over the louder half of its frames, without its loudness."""
    loudness = frames.mean(axis=1)
    mean = frames[loudness >= np.median(loudness)].mean(axis=0)
    shape: Array = mean - mean.mean()
    return shape
