"""The given parts of lab 5c: a spoken reply, your functions on it, and the page that plays both.

None of it needs a change; read it, it is short.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
import wave
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.store.face_frames import FaceFrame, frames_of, offsets, write_face
from pipelines.audio.openness import FRAME_MS
from pipelines.engines.options import TtsOptions
from pipelines.engines.processes import tts_engine
from pipelines.errors import LabError
from pipelines.face.feed import AGENT, audio_message
from pipelines.face.messages import FaceMessage, Keyframe, encode
from pipelines.face.states import StateMachine, read_policy
from pipelines.face.visemes import Phone, spread
from pipelines.marks import MarkList
from pipelines.process.pool import ModelPool
from pipelines.server.app.thread import Serving
from pipelines.server.stage import Stage

SENTENCES = (
    "Okay, I will put the blue ball on the table.",
    "Maybe my mother moved the big purple umbrella.",
    "Sorry, I cannot see a green sofa.",
)
"""Sentences of the face: vowels, closed lips, rounded lips."""
RATE_HZ = 22_050
"""Rate of espeak-ng's voice."""
KEYFRAMES_MS = (0, 20, 40, 60, 80)
FRAME = RATE_HZ * FRAME_MS // 1000
PAUSE_S = 1.0
LONGEST_S = 30.0
"""Longest sentence, s."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

Track = list[tuple[list[float], float, float]]
"""[open, wide, round, weight], start_ms, end_ms of each viseme."""
Openness = Callable[[NDArray[np.int16]], float]
Smooth = Callable[[list[float]], list[float]]
Blend = Callable[[Track, float], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Reply:
    """One sentence, spoken by espeak-ng."""

    text: str
    pcm: NDArray[np.int16]  # (n,) at RATE_HZ
    phones: tuple[Phone, ...]


def replies() -> list[Reply]:
    """The sentences, spoken: the same every time."""
    return asyncio.run(_replies())


async def _replies() -> list[Reply]:
    engine = tts_engine(TtsOptions())
    async with ModelPool(MarkList()) as models:
        process = await models.get(engine.name, engine.engine, engine.options)
        found = []
        for text in SENTENCES:
            audio, phones = bytearray(), []
            async for header, pcm in process.request("speak", {"text": text}):
                audio += pcm
                phones += [Phone(*row) for row in header.get("phones", [])]
            found.append(Reply(text, np.frombuffer(bytes(audio), np.int16), tuple(phones)))
        return found


def track_of(phones: Sequence[Phone]) -> Track:
    """A reply's visemes in time, as plain numbers."""
    return [([s.open, s.wide, s.round, s.weight], a, b) for s, a, b in spread(phones)]


def frames_pcm(pcm: NDArray[np.int16]) -> list[NDArray[np.int16]]:
    """A reply cut into frames of 80 ms; the last one may be shorter."""
    return [pcm[i : i + FRAME] for i in range(0, len(pcm), FRAME)]


def messages(
    reply: Reply, first: int, states: Path, openness: Openness, smooth: Smooth, blend: Blend
) -> list[FaceMessage]:
    """The face's messages while a reply is heard, made by your functions and your table."""
    machine = StateMachine(policy := read_policy(states))
    for event in ("user_started", "user_stopped", "agent_started"):
        machine.feed(event, 0.0)
    if said := policy.event_of(reply.text):
        machine.feed(said, 0.0)
    frames = frames_pcm(reply.pcm)
    mouths = smooth([float(openness(frame)) for frame in frames])
    track = track_of(reply.phones)
    told = []
    for i, (frame, mouth) in enumerate(zip(frames, mouths, strict=True)):
        lips = tuple(
            Keyframe(float(ms), *map(float, blend(track, i * FRAME_MS + ms)[:3]))
            for ms in KEYFRAMES_MS
        )
        at = first + i * FRAME
        told.append(_message(machine, float(mouth), True, lips, at, len(frame)))
    machine.feed("agent_stopped", len(frames) * float(FRAME_MS))
    told.append(_message(machine, 0.0, False, (), first + len(reply.pcm), 0))
    return told


def _message(
    machine: StateMachine,
    mouth: float,
    speaking: bool,
    lips: tuple[Keyframe, ...],
    at: int,
    samples: int,
) -> FaceMessage:
    state = machine.state
    return FaceMessage(
        v=2,
        mouth=mouth,
        speaking=speaking,
        valence=state.valence,
        arousal=state.arousal,
        visemes=lips,
        at=at,
        samples=samples,
        state=machine.name,
        backchannel=state.backchannel and not speaking,
    )


def write_messages(path: Path, told: Sequence[FaceMessage]) -> None:
    """One message a line, as they go over the websocket."""
    path.write_text("".join(encode(m) + "\n" for m in told), encoding="utf-8")


def play(spoken: list[tuple[Reply, list[FaceMessage]]], folder: Path, headless: bool) -> None:
    """Plays replies to a browser in real time, and writes the page's measurements into
    ``face.parquet``.

    Raises:
        LabError: no page came.
    """
    stage = Stage("lab 5c · your face")
    with Serving(stage, 0) as serving, tempfile.TemporaryDirectory() as profile:
        browser = open_browser(serving.url, profile) if headless else None
        if not headless:
            print(f"Your face: {serving.url} (press Start)")
            webbrowser.open(serving.url)
        try:
            if not serving.wait_ready(60 if headless else 300):
                raise LabError(f"No page with its sound on came to {serving.url}.")
            serving.put('{"type":"trial","trial_id":"play"}')
            first = 0
            for reply, told in spoken:
                serving.put(f'{{"type":"words","who":"creature","text":"{reply.text}"}}')
                _speak(serving, reply, told, first)
                first += len(reply.pcm)
                time.sleep(PAUSE_S)
            time.sleep(2.5)  # a page reports its measurements every second
        finally:
            if browser is not None:
                browser.terminate()
                browser.wait()
        report = next(r for r in stage.reports if r.ready)
        clocks = report.clocks
        frames = frames_of(report.rows, 0, clocks.rtt_ns, clocks.offset_ns)
    folder.mkdir(parents=True, exist_ok=True)
    write_face(folder, frames)
    tell(frames)


def tell(frames: Sequence[FaceFrame]) -> None:
    """Prints the page's measurements."""
    found = offsets(frames)
    if found.p95_ms is None:
        print("the page measured no frame: was its sound on?")
        return
    print(f"{found.frames} frames: offset (drawn − heard) p5 {found.p5_ms:+.1f}, ", end="")
    print(f"p50 {found.p50_ms:+.1f}, p95 {found.p95_ms:+.1f} ms")


def _speak(serving: Serving, reply: Reply, told: list[FaceMessage], first: int) -> None:
    """Sends frames when an agent would write them: each in its turn, none earlier."""
    start = time.monotonic()
    for i, (frame, message) in enumerate(zip(frames_pcm(reply.pcm), told, strict=False)):
        serving.put(audio_message(AGENT, RATE_HZ, first + i * FRAME, frame.tobytes()))
        serving.put(encode(message))
        time.sleep(max(0.0, start + (i + 1) * FRAME_MS / 1000 - time.monotonic()))
    serving.put(encode(told[-1]))


def browser_path() -> str | None:
    """A browser that runs without a window, if this machine has one."""
    return next((found for found in map(shutil.which, BROWSERS) if found), None)


def open_browser(url: str, profile: str) -> subprocess.Popen[bytes]:
    """Starts a browser without a window, whose page begins by itself.

    Raises:
        LabError: there is none.
    """
    path = browser_path()
    if path is None:
        raise LabError(f"There is no {BROWSERS[0]} in PATH: open a browser by hand.")
    words = (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={profile}",
    )  # fmt: skip
    quiet = subprocess.DEVNULL
    return subprocess.Popen([path, *words, f"{url}#start"], stdout=quiet, stderr=quiet)


def read_wav(path: Path) -> NDArray[np.int16]:
    """What `write_wav` wrote.

    Raises:
        LabError: it is another file.
    """
    try:
        with wave.open(str(path)) as source:
            known = source.getparams()[:3] == (1, 2, RATE_HZ)
            if not known or source.getnframes() > LONGEST_S * RATE_HZ:
                raise LabError(
                    f"{path.name}: mono at {RATE_HZ} Hz is needed, as play.py writes it."
                )
            return np.frombuffer(source.readframes(source.getnframes()), np.int16)
    except (wave.Error, EOFError) as error:
        raise LabError(f"{path.name}: is not a WAV file ({error}).") from None


def write_wav(path: Path, pcm: NDArray[np.int16]) -> None:
    """A reply as a file, to listen to."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(pcm.tobytes())
