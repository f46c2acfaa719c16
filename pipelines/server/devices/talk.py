"""One conversation of this machine's microphone and speaker with a session: `talk_here`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.audio.stream_resample import StreamResampler
from pipelines.clock import NS_PER_S, monotonic_ns
from pipelines.server.devices.card import Device, Floats, SoundCard, chosen
from pipelines.server.devices.gate import HalfDuplexGate
from pipelines.server.devices.playback import Playback
from pipelines.server.devices.second import SecondTrack, WithSecond, of_file, to_int16
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import (
    AudioOut,
    Closed,
    Event,
    Interruption,
    TurnEnd,
)
from pipelines.server.session.states import OPEN

AHEAD_S = 2.0
"""Audio that a microphone may give ahead of the clock, s: more, and it is none."""
MOST_WAITING = 200
"""Blocks of a device that may wait for the conversation: 2 s."""

Tell = Callable[[Event], None]
"""Takes every event but audio, for a terminal."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of a conversation on this machine, and what is recorded beside it."""

    microphone: Device | None
    """None: nobody is heard."""
    speaker: Device
    cool_down_ms: int | None = None
    """See `HalfDuplexGate`."""
    second: Device | Path | None = None
    """A second source, which is only recorded."""


def ends(
    card: SoundCard,
    microphone: str = "",
    speaker: str = "",
    second: str = "",
    cool_down_ms: int | None = None,
    hears: bool = True,
) -> Ends:
    """The devices that are meant by a user's words.

    Args:
        card: The machine's.
        microphone: Number or name; empty: the default.
        speaker: The same.
        second: The same of an input device, or a file's path; empty: none.
        cool_down_ms: See `HalfDuplexGate`.
        hears: False if no microphone is to be opened.

    Raises:
        DeviceError: one is not there.
    """
    devices = card.devices()
    source: Device | Path | None = None
    if second:
        source = Path(second) if Path(second).is_file() else chosen(devices, second, "second")
    return Ends(
        chosen(devices, microphone, "input") if hears else None,
        chosen(devices, speaker, "output"),
        cool_down_ms,
        source,
    )


async def talk_here(
    session: Session,
    card: SoundCard,
    where: Ends,
    tell: Tell,
    log: WithSecond | None = None,
    clock: Callable[[], int] = monotonic_ns,
) -> None:
    """Holds a conversation until it is closed.

    Args:
        session: Started.
        card: The machine's.
        where: Its devices.
        tell: Takes every event but audio.
        log: Where the second source's track is kept.
        clock: The machine's clock.

    Raises:
        DeviceError: a device can't be opened.
    """
    here = _Here(session, where.cool_down_ms, clock)
    if isinstance(where.second, Path):
        here.second = of_file(where.second, clock())
    with ExitStack() as opened:
        speaker_hz = opened.enter_context(card.speaker(where.speaker, here.fill, here.lost))
        here.play_at(speaker_hz)
        if where.microphone is not None:
            here.hear_at(
                opened.enter_context(card.microphone(where.microphone, here.take, here.lost))
            )
        if isinstance(where.second, Device):
            second_hz = opened.enter_context(
                card.microphone(where.second, here.take_second, here.lost)
            )
            here.second = SecondTrack(second_hz)
        if log is not None:
            log.track = here.second
        async for event in session.events():
            if isinstance(event, AudioOut):
                here.say(event)
                continue
            if isinstance(event, Interruption):
                here.clear()
            elif isinstance(event, TurnEnd) and event.side == "agent":
                here.rest()
            tell(event)
            if isinstance(event, Closed):
                return


class _Here:
    """What joins a session and a card: resamplers, the gate, the queue; on the loop's thread."""

    def __init__(
        self, session: Session, cool_down_ms: int | None, clock: Callable[[], int]
    ) -> None:
        self._session = session
        self._clock = clock
        self._blocks: deque[tuple[Callable[[Floats, int], None], Floats, int]] = deque()
        """Blocks of the devices that the loop has not seen yet."""
        self._samples = 0
        self._began_ns: int | None = None
        self._loop = asyncio.get_running_loop()
        self._gate = HalfDuplexGate(cool_down_ms)
        self._playback: Playback | None = None
        self._to_session: StreamResampler | None = None
        self._to_speaker: StreamResampler | None = None
        self.second: SecondTrack | None = None
        self._ending: asyncio.Task[None] | None = None

    # on a card's thread

    def take(self, pcm: Floats, end_ns: int) -> None:
        """A block of the microphone's."""
        self._take(self._hear, pcm, end_ns)

    def take_second(self, pcm: Floats, end_ns: int) -> None:
        """A block of the second source's."""
        self._take(self._keep, pcm, end_ns)

    def _take(self, by: Callable[[Floats, int], None], pcm: Floats, end_ns: int) -> None:
        if len(self._blocks) >= MOST_WAITING:
            return  # a device that is no device: `_hear` says so once it has its turn
        self._blocks.append((by, pcm, end_ns))
        self._loop.call_soon_threadsafe(self._next)

    def fill(self, samples: int, start_ns: int) -> Floats:
        """The speaker's next block."""
        if self._playback is None:
            return np.zeros(samples, np.float32)
        return self._playback.fill(samples, start_ns)

    def _sounds(self, start_ns: int, end_ns: int) -> None:
        self._loop.call_soon_threadsafe(self._gate.sounds, start_ns, end_ns)

    def lost(self, why: str) -> None:
        """A device is gone: ends the conversation."""
        self._loop.call_soon_threadsafe(self._stop, why)

    # on the loop's

    def play_at(self, rate_hz: int) -> None:
        """The speaker is open, at a rate."""
        self._playback = Playback(rate_hz, self._sounds)

    def hear_at(self, rate_hz: int) -> None:
        """The microphone is open, at a rate."""
        self._to_session = StreamResampler(rate_hz, self._session.in_rate_hz)

    def say(self, chunk: AudioOut) -> None:
        """Queues a chunk of the agent's for the speaker."""
        assert self._playback is not None
        if self._to_speaker is None or self._to_speaker.from_hz != chunk.rate_hz:
            self._to_speaker = StreamResampler(chunk.rate_hz, self._playback.rate_hz)
        pcm = np.frombuffer(chunk.pcm, "<i2").astype(np.float32) / 32_768
        self._playback.put(self._to_speaker.feed(pcm))

    def rest(self) -> None:
        """Queues what the resampler holds back: the agent has fallen silent."""
        if self._to_speaker is None or not self._to_speaker.delay_s or self._playback is None:
            return
        held = round(self._to_speaker.delay_s * self._to_speaker.from_hz)
        self._playback.put(self._to_speaker.feed(np.zeros(held, np.float32)))
        self._to_speaker = None

    def clear(self) -> None:
        """Drops what is queued."""
        self._to_speaker = None
        if self._playback is not None:
            self._playback.clear()

    def _next(self) -> None:
        by, pcm, end_ns = self._blocks.popleft()
        by(pcm, end_ns)

    def _hear(self, pcm: Floats, end_ns: int) -> None:
        if self._to_session is None or self._session.state not in OPEN:
            return
        self._began_ns = self._clock() if self._began_ns is None else self._began_ns
        self._samples += len(pcm)
        real_s = (self._clock() - self._began_ns) / NS_PER_S
        if self._samples / self._to_session.from_hz - real_s > AHEAD_S:
            self._stop("the microphone gives audio faster than time passes: it is none")
            return
        heard = self._gate.filtered(pcm, end_ns, self._to_session.from_hz)
        delay_ns = round(self._to_session.delay_s * NS_PER_S)
        self._session.push(to_int16(self._to_session.feed(heard)), end_ns - delay_ns)

    def _keep(self, pcm: Floats, end_ns: int) -> None:
        if self.second is not None:
            self.second.take(pcm, end_ns)

    def _stop(self, why: str) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._session.stop(why))
