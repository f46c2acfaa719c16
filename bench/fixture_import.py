"""Makes a fixture of somebody's recording: 16 kHz mono 16-bit, with labels proposed by a VAD."""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import fixture_toml, fixture_wav
from bench.atomic import StoreError, atomic_write
from bench.fixture_records import KINDS, RATE_HZ, Cue, Fixture, FixtureError, Speech, Turn
from bench.fixtures import fixtures_root, load
from bench.judge import Expectation, words
from bench.speech_segments import audible_limit_dbfs, speech_segments
from pipelines.audio.levels import as_floats, as_int16, without_rumble
from pipelines.audio.onsets import Span, audible_spans
from pipelines.audio.resample import resample

CHANNELS = ("left", "right", "mix")
LONGEST_S = 120
"""One turn of a user is shorter than this."""


RUMBLE_HZ = 80.0
"""Labels are proposed from what lies above; the audio keeps all."""


def add(
    file: Path,
    text: str,
    *,
    name: str | None = None,
    channel: str | None = None,
    kind: str = "other",
    licence: str = "unstated",
    force: bool = False,
    root: Path | None = None,
) -> Fixture:
    """Imports a recording of one turn, whole: nothing of it is cut off.

    Args:
        file: WAV, FLAC, OGG or MP3 of any rate.
        text: What is said in it.
        name: Of the fixture; by default that of the file.
        channel: ``left``, ``right`` or ``mix``; needed for stereo.
        kind: One of ``KINDS``.
        licence: Of the recording.
        force: Replace a fixture of this name.
        root: Where fixtures lie; by default ``fixtures_root()``.

    Returns:
        The fixture, loaded from what was written. Its labels are marked ``vad``: look at them.

    Raises:
        FixtureError: the recording can't be used, or the name is taken.
    """
    folder = root or fixtures_root()
    name = name or re.sub(r"[^a-z0-9]+", "_", file.stem.lower()).strip("_")
    toml, wav = folder / f"{name}.toml", folder / f"{name}.wav"
    _check_request(name, kind, text, file)
    taken = next((path for path in (toml, wav) if path.exists()), None)
    if taken and not force:
        raise FixtureError(f"{taken}: exists; choose another --name, or replace it with --force.")
    signal, origin = _read(file, channel)
    pcm = as_int16(signal)
    turn = _turn(wav, text, pcm, _label(file, pcm))
    fixture = Fixture(
        name=name,
        kind=kind,
        turns=(turn,),
        labels="vad",
        licence=licence,
        origin=origin,
        tags=("imported",),
        variant="",
        base="",
        scene="",
        sha256="",  # the loader computes it
        path=toml,
    )
    try:
        atomic_write(wav, fixture_wav.encode(pcm))
        # The TOML comes last: a fixture without it does not exist.
        atomic_write(toml, fixture_toml.dump(fixture).encode())
    except StoreError as error:
        raise FixtureError(f"{error}.") from None
    return load(toml)


def _turn(wav: Path, text: str, pcm: NDArray[np.int16], speech: tuple[Speech, ...]) -> Turn:
    return Turn(
        wav=wav,
        sha256=hashlib.sha256(fixture_wav.encode(pcm)).hexdigest(),
        rate_hz=RATE_HZ,
        samples=pcm.size,
        text=" ".join(words(text)),
        cue=Cue("start", 500),
        timeout_s=10.0,
        speech=speech,
        words=(),
        pauses=tuple(Span(a.audible_end, b.audible_start) for a, b in pairwise(speech)),
        expect=Expectation(),
    )


def _check_request(name: str, kind: str, text: str, file: Path) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise FixtureError(f"{file}: {name!r} is no name; give --name of letters, digits, _ and -.")
    if kind not in KINDS:
        raise FixtureError(f"{file}: {kind!r} is no kind; use one of {', '.join(KINDS)}.")
    if not words(text):
        raise FixtureError(f"{file}: the text has no words; give what is said with --text.")


def _read(file: Path, channel: str | None) -> tuple[NDArray[np.float64], str]:
    """The recording as (n,) floats at 16 kHz, and where it came from, in words."""
    import soundfile  # a compiled library: only for imports

    try:
        frames, rate_hz = soundfile.read(str(file), dtype="float64", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        reason = "no such file" if not file.exists() else str(error).rsplit(": ", 1)[-1].rstrip(".")
        raise FixtureError(
            f"{file}: can't be read as audio ({reason}); give a WAV, FLAC, OGG or MP3 file."
        ) from None
    if len(frames) == 0:
        raise FixtureError(f"{file}: is empty; record it again.")
    if len(frames) > LONGEST_S * rate_hz:
        raise FixtureError(
            f"{file}: lasts {len(frames) / rate_hz:.0f} s; cut it into turns of at most "
            f"{LONGEST_S} s."
        )
    if not np.isfinite(frames).all():
        raise FixtureError(f"{file}: holds samples that are no numbers; export it again.")
    signal = np.asarray(resample(_one_channel(file, frames, channel), rate_hz, RATE_HZ))
    origin = f"imported from {file.name} ({rate_hz} Hz, {frames.shape[1]} channel(s)"
    origin += f", {channel})" if channel else ")"
    peak = float(np.abs(signal).max())
    if peak > 1:
        signal = signal / peak
        origin += f", turned down {20 * np.log10(peak):.1f} dB"
    return signal, origin


def _one_channel(
    file: Path, frames: NDArray[np.float64], channel: str | None
) -> NDArray[np.float64]:
    """(n, channels) → (n,)."""
    if channel is not None and channel not in CHANNELS:
        raise FixtureError(f"{file}: {channel!r} is no channel; use left, right or mix.")
    if frames.shape[1] == 1:
        return frames[:, 0]
    if channel is None:
        raise FixtureError(
            f"{file}: has {frames.shape[1]} channels; say which is the user's with "
            f"--channel left, right or mix."
        )
    if channel == "mix":
        return np.asarray(frames.mean(axis=1), dtype=np.float64)
    return frames[:, CHANNELS.index(channel)]


def _label(file: Path, pcm: NDArray[np.int16]) -> tuple[Speech, ...]:
    """Proposes labels: segments by the VAD, audible limits inside each by the threshold rule."""
    signal = as_floats(pcm)
    segments = speech_segments(signal)
    # A microphone's rumble and puffs of breath are loud, but below any voice.
    heard_of = without_rumble(signal, RUMBLE_HZ)
    limit = audible_limit_dbfs(heard_of, segments)
    labels = []
    for segment in segments:
        part = heard_of[segment.start : segment.end]
        heard = audible_spans(part, RATE_HZ, threshold_dbfs=limit)
        if heard:
            start, end = segment.start + heard[0].start, segment.start + heard[-1].end
            labels.append(Speech(segment.start, segment.end, start, end))
    if not labels:
        raise FixtureError(
            f"{file}: no speech is found in it; record it louder or with less noise."
        )
    return tuple(labels)
