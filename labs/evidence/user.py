"""The user's side of a trial compared with the fixture that it names: labels, and the audio
itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.fixtures.labels import labels_of
from bench.fixtures.library import RATE_HZ, Fixture, FixtureError, fixtures_root, load, read_pcm
from bench.store import store
from bench.store.recording import USER
from labs.evidence.trial import Evidence
from pipelines.audio.resample import resample
from pipelines.clock import NS_PER_MS, ns_to_samples

USER_ERROR = 0.02
"""RMS of (recorded user − fixture) per RMS of the fixture; honest runs stay below 0.001."""
LABEL_MS = 0.2
"""Tolerance for rounding labels to the microphone's rate."""


def fixture_labels(e: Evidence) -> Iterator[str]:
    """The labels of the run compared with the fixture's own."""
    fixture = own_fixture(e.trial.fixture)
    if fixture is None:
        yield f"there is no fixture {e.trial.fixture!r} here to hold it against"
        return
    if e.trial.fixture_sha256 != fixture.sha256:
        yield f"the row's fixture_sha256 is not that of {fixture.name}"
    said = e.run.info.get("fixtures", {}).get(fixture.name)
    if said is not None and e.run.labels(fixture.name) != labels_of(fixture):
        yield f"run.json's labels of {fixture.name} are not the fixture's own"


def own_fixture(name: str) -> Fixture | None:
    """A fixture of this installation; None where it has none of that name, or a damaged one."""
    try:
        path = fixtures_root() / f"{name}.toml"
        return load(path) if path.parent == fixtures_root() and path.is_file() else None
    except FixtureError:
        return None


def user_channel(e: Evidence) -> Iterator[str]:
    """The user's channel compared with the fixture's audio, where the marks say that it was
    spoken.
    """
    fixture = own_fixture(e.trial.fixture)
    if fixture is None or e.recording is None:
        return
    starts = {m.turn: m.t_ns for m in e.all("user", "turn_start")}
    limits = {
        event: {m.turn: m.t_ns for m in e.all("user", event)}
        for event in ("speech_on", "speech_off")
    }
    in_rate_hz = _in_rate(e.run, e.trial.preset)
    length = round(len(e.recording) * in_rate_hz / e.trial.rate_hz)
    spoken = np.zeros(length + in_rate_hz, np.int16)
    for number, start_ns in starts.items():
        if not 0 <= number < len(fixture.turns):
            yield f"turn {number} is marked, but {fixture.name} has {len(fixture.turns)}"
            continue
        turn = fixture.turns[number]
        for event, at_s in (
            ("speech_on", turn.u_on_sample / turn.rate_hz),
            ("speech_off", (turn.u_off_sample + 1) / turn.rate_hz),
        ):
            marked = limits[event].get(number)
            off_ms = 0.0 if marked is None else (marked - start_ns) / NS_PER_MS - at_s * 1000
            if abs(off_ms) > LABEL_MS:
                yield (
                    f"user.{event} of turn {number} is marked {off_ms:+.1f} ms from where the "
                    "fixture's label puts it"
                )
        pcm = resample(read_pcm(turn), turn.rate_hz, in_rate_hz)
        first = ns_to_samples(start_ns - e.trial.t0_ns, in_rate_hz)
        a, b = max(0, first), min(len(spoken), first + len(pcm))
        if a < b:
            spoken[a:b] = pcm[a - first : b - first]
    # As the recording was made: placed at the microphone's rate, then brought to the agent's.
    wanted = resample(spoken, in_rate_hz, e.trial.rate_hz)[: len(e.recording)].astype(np.float64)
    error = _rms(e.recording[: len(wanted), USER] - wanted) / max(_rms(wanted), 1.0)
    if error > USER_ERROR:
        yield (
            f"the user's channel is not {fixture.name} at the stamped time: it differs by "
            f"{100 * error:.0f} % of the fixture's own level"
        )


def _in_rate(run: store.Run, preset: str) -> int:
    """The rate at which the user spoke, by run.json."""
    audio = run.info.get("presets", {}).get(preset, {}).get("audio", {})
    rate_hz = audio.get("in_rate_hz", RATE_HZ)
    return rate_hz if isinstance(rate_hz, int) and 8000 <= rate_hz <= 48_000 else RATE_HZ


def _rms(x: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(x)))) if len(x) else 0.0
