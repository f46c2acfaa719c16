"""`Pace`: the user's audio on its way to a session, never faster than the session can bear.

A pipeline's detectors count samples, but what decides on a turn counts time as well, and misses a
turn that is over at once: a file that a client sends in one piece would never be answered.
"""

from __future__ import annotations

import asyncio
from collections import deque

from pipelines.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns
from pipelines.server.session.conversation import Session
from pipelines.server.session.states import SessionError

AHEAD_NS = 200 * NS_PER_MS
"""Audio that is heard as it comes though it is ahead of the clock: a network delivers in bursts."""
CATCH_UP_NS = 5 * NS_PER_S
"""Stall of the network whose audio is heard at once when it comes."""
PIECE_S = 0.02
"""Length of the pieces in which audio that is far ahead is heard, s."""
DRIFT = 1.01
"""How much faster than real time audio is heard that came too early: a client's own clock may be as
fast, and nothing may wait for it longer and longer."""
HELD_SPEED = 4.0
"""How much faster than real time audio is heard that was held back."""
LIVE = 0.0
"""In place of a speed: as it was spoken."""
MOST_AHEAD_S = 600
"""Audio that may wait to be heard, s."""


class Pace:
    """The audio of one conversation.

    Args:
        session: Started.
        delay_ns: Delay of what was done to the audio on its way here.
        clock: The machine's clock.
    """

    def __init__(self, session: Session, delay_ns: int = 0, clock: Clock = monotonic_ns) -> None:
        self._session = session
        self._delay_ns = delay_ns
        self._clock = clock
        self._rate_hz = session.in_rate_hz
        self._piece = 2 * round(PIECE_S * session.in_rate_hz)
        """Bytes of a piece."""
        self._end_ns: int | None = None
        """When the newest sample that was heard would have been spoken."""
        self._waiting: deque[tuple[bytes, float]] = deque()
        """Pieces, and how much faster than real time each is heard; or `LIVE`."""
        self._samples = 0
        """Samples that wait."""
        self._silent = False
        """Whether silence is heard while nothing waits."""
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, pcm: bytes, was_held: bool = False) -> None:
        """Takes a piece of the user's.

        Args:
            pcm: (n,) int16 at the session's rate.
            was_held: Whether they were held back, and the client waits.

        Raises:
            SessionError: too much waits already.
        """
        self._silent = False
        if not was_held and not self._waiting:
            end_ns = self._spoken_until(len(pcm) // 2)
            if end_ns <= self._clock() + AHEAD_NS:
                self._end_ns = end_ns
                self._push(pcm)
                return
        if self._samples + len(pcm) // 2 > MOST_AHEAD_S * self._rate_hz:
            raise SessionError(f"{MOST_AHEAD_S} s of audio wait to be heard: no more is taken")
        speed = HELD_SPEED if was_held else LIVE
        for n in range(0, len(pcm), self._piece):
            self._waiting.append((pcm[n : n + self._piece], speed))
        self._samples += len(pcm) // 2
        self._go_on()

    def end_turn(self) -> None:
        """The user is silent from now on: what detects a turn's end waits for that.

        A model that hears and speaks at once goes on only while it hears.
        """
        self._silent = True
        self._go_on()

    def rest(self) -> None:
        """No more silence is needed."""
        self._silent = False

    def _go_on(self) -> None:
        """Goes on with what waits, unless that goes on already."""
        if self._timer is None:
            self._let_hear()

    def _let_hear(self) -> None:
        """Lets what waits be heard, each piece in its time."""
        self._timer = None
        while (self._waiting or self._silent) and not self._session.over.is_set():
            is_live = bool(self._waiting) and self._waiting[0][1] == LIVE
            wait_ns = (self._end_ns or 0) - self._clock() - (AHEAD_NS if is_live else 0)
            if wait_ns > 0:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(wait_ns / NS_PER_S, self._let_hear)
                return
            pcm, speed = bytes(self._piece), 1.0
            if self._waiting:
                pcm, speed = self._waiting.popleft()
                self._samples -= len(pcm) // 2
            if is_live:
                self._end_ns = self._spoken_until(round(len(pcm) // 2 / DRIFT))
            else:
                length_ns = round(len(pcm) // 2 * NS_PER_S / self._rate_hz / speed)
                self._end_ns = max(self._end_ns or 0, self._clock()) + length_ns
            self._push(pcm)

    def _push(self, pcm: bytes) -> None:
        self._session.push(pcm, self._clock() - self._delay_ns)

    def _spoken_until(self, samples: int) -> int:
        """When so many samples more would have been spoken."""
        length_ns = samples * NS_PER_S // self._rate_hz
        now_ns = self._clock()
        if self._end_ns is None:
            return now_ns + max(0, length_ns - AHEAD_NS)
        # What a stalled network held back is no audio ahead of its time: it may catch up.
        return max(self._end_ns, now_ns - CATCH_UP_NS) + length_ns
