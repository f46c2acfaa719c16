"""Simulates dialogues on two channels: who speaks when, and the model's text stream beside it.

All times are the model's own: what it says is heard `room.FLOOR_S` later. It sees a user's sentence
end, waits `WAIT_S`, and begins its text in the next frame; its voice follows `TEXT_LEAD` frames on.
So the gap that a person hears is 260 to 420 ms. Interrupted, it falls silent `YIELD_S` after the
user's onset, on the next frame.
"""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.store.expectation import Expectation
from training.nano_duplex import room
from training.nano_duplex.dialogue import Dialogue, Said, Turn
from training.nano_duplex.language import Exchange, NanoLanguage
from training.nano_duplex.speech import FRAME, RATE_HZ, Utterance, as_int16, speak
from training.nano_duplex.vocabulary import EOS, PAD, word_ids
from training.nano_duplex.voices import AGENT, Voice, draw_user
from training.nano_duplex.world import pause_points

TEXT_LEAD = 2
"""Frames from a word in the text stream to its first phone."""
WAIT_S = (0.020, 0.100)
"""From the user's last phone to the end of the frame in which the text begins, at least. It was 40
ms more: then a person heard the answer after 432 ms, where 400 are wanted."""
YIELD_S = (0.120, 0.200)
"""From an interruption's first phone to the agent's silence, at least; then the frame is filled."""
PAUSE_S = (0.3, 1.2)
LENGTH_S = (20.0, 40.0)
PAUSED, OPEN_PAUSE = 0.30, 0.85
"""Shares: of sentences with pauses; of pauses where the sentence can't be over."""
SIDE_TALK, MURMURED, LONG, FOLLOWED = 0.04, 0.03, 0.18, 0.08
LISTED, LISTENED, OVERLAPPED, REPEATED = 0.07, 0.08, 0.07, 0.08
"""Shares of what is said next: to somebody else, to nobody, what gets a long answer, about the
thing before; what is answered by a list, which nobody breaks into; what gets any answer, and is
murmured over; what gets any answer, whose end is spoken into; things to be said again. The rest
are short commands, questions and courtesies."""
EARLY_S = 0.45
"""Before the end of an answer, as heard, at most, that the next sentence begins in an overlap; and
sooner in `SOONER` of them, like an interruption that isn't begun by a word of its own."""
SOONER = 0.35
GAP_S, LONG_GAP_S, LONG_GAP = (0.3, 1.2), (3.0, 6.0), 0.06
"""From the end of an answer to what is said next; how much of it is long."""
SILENT = Expectation(respond=False)
_FADE = 480


class Simulator:
    """Draws one dialogue; all randomness comes from ``rng``."""

    def __init__(
        self,
        rng: random.Random,
        *,
        held_sentences: bool = False,
        held_voices: bool = False,
        cache: Path | None = None,
    ) -> None:
        self.rng = rng
        self.language = NanoLanguage(rng, held_sentences, sealed=False)
        self.held_voices = held_voices
        self.cache = cache
        self._begin()

    def dialogue(self) -> Dialogue:
        """One dialogue of 20 to 40 s, in whole frames."""
        self._begin()
        length = self.rng.uniform(*LENGTH_S)
        before: Exchange | None = None
        while self._now < length * RATE_HZ:
            self._pass(*(LONG_GAP_S if self.rng.random() < LONG_GAP else GAP_S))
            before = self._next(before)
        self._pass(0.5, 1.5)
        return self._finished()

    def _begin(self) -> None:
        self._voice: Voice = draw_user(self.rng, self.held_voices)
        self._now = 0  # sample from which nobody speaks any more
        self._speech: list[tuple[int, NDArray[np.float32]]] = []
        self._agent: list[tuple[int, NDArray[np.float32]]] = []
        self._text: dict[int, int] = {}
        self._words: list[tuple[str, int, int]] = []
        self._turns: list[Turn] = []

    def _next(self, before: Exchange | None) -> Exchange | None:
        draw = self.rng.random()
        if (draw := draw - SIDE_TALK) < 0:
            self._ignored(self.language.side_talk(), self._now)
            return None
        if (draw := draw - MURMURED) < 0:
            self._noise_or_backchannel(self._now)
            return None
        if (draw := draw - LONG) < 0:
            return self._long()
        if (draw := draw - LISTED) < 0:
            return self._listed()
        if (draw := draw - LISTENED) < 0:
            exchange, said = self._drawn(self._anything)
            self._answered(exchange, said)
            self._listen()
            return exchange
        if (draw := draw - OVERLAPPED) < 0:
            return self._overlapped()
        if (draw := draw - REPEATED) < 0:
            exchange, said = self._drawn(self.language.repetition)
            self._answered(exchange, said)
            return None
        if before and draw < FOLLOWED and (follow := self.language.follow_up(before)):
            followed = self._said(follow)
            if followed:
                self._answered(follow, followed)
                return follow
        while True:
            exchange = self.language.exchange(long=False)
            paused = self.rng.random() < PAUSED
            spoken = self._said(exchange, paused)
            if spoken:
                self._answered(exchange, spoken)
                return exchange

    def _long(self) -> Exchange | None:
        """A long answer, and what happens over it; an interruption may be interrupted too."""
        exchange, said = self._drawn(lambda: self.language.exchange(long=True))
        self._answered(exchange, said)
        for _ in range(4):
            start, end = self._turns[-1].agent_frames or (0, 0)
            at = round(start * FRAME + (room.FLOOR_S + self.rng.uniform(0.4, 1.8)) * RATE_HZ)
            if at > end * FRAME - round(0.4 * RATE_HZ) or self.rng.random() < 0.12:
                return exchange
            if self.rng.random() < 0.5:
                exchange, said = self._drawn(self.language.interruption, at)
                self._answered(exchange, said, "interruption" if self._cut(said) else "")
            else:
                self._listen(at)
                return exchange
        return exchange

    def _listed(self) -> Exchange:
        """A list, told to its end, whatever is heard meanwhile."""
        exchange, said = self._drawn(self.language.listing)
        self._answered(exchange, said, "list")
        if self.rng.random() < 0.5:
            self._listen()
        return exchange

    def _listen(self, at: int | None = None) -> None:
        """Murmurs, coughs and side talk over the last answer, which goes on to its end."""
        start, end = self._turns[-1].agent_frames or (0, 0)
        if at is None:
            at = round(start * FRAME + (room.FLOOR_S + self.rng.uniform(0.3, 1.2)) * RATE_HZ)
        while at < end * FRAME - round(0.3 * RATE_HZ):
            if self.rng.random() < 0.2:
                self._ignored(self.language.side_talk(), at)
            else:
                self._noise_or_backchannel(at)
            at = self._heard_until() + round(self.rng.uniform(0.8, 2.0) * RATE_HZ)
        self._now = max(self._now, end * FRAME, self._heard_until())

    def _overlapped(self) -> Exchange:
        """An answer, and into its end, or sooner, the next sentence; this one is answered too."""
        exchange, said = self._drawn(self._anything)
        self._answered(exchange, said)
        start, end = self._turns[-1].agent_frames or (0, 0)
        heard = round(room.FLOOR_S * RATE_HZ)
        first = start * FRAME + heard + round(0.4 * RATE_HZ)
        last = end * FRAME + heard
        if self.rng.random() >= SOONER:
            first = max(first, last - round(EARLY_S * RATE_HZ))
        at = self.rng.randrange(first, last) if first < last else last
        exchange, said = self._drawn(self._anything, at)
        self._cut(said)
        self._answered(exchange, said, "overlap")
        return exchange

    def _anything(self) -> Exchange:
        return self.language.exchange(long=self.rng.random() < 0.15)

    def _drawn(self, draw: Any, at: int | None = None) -> tuple[Exchange, Said]:
        while True:
            exchange: Exchange = draw()
            if said := self._said(exchange, at=at):
                return exchange, said

    def _said(self, exchange: Exchange, paused: bool = False, at: int | None = None) -> Said | None:
        """The user's sentence from ``at`` on; None where it or its answer can't be spoken."""
        words = exchange.user.split()
        edges = [0, *(self._cuts(exchange.user) if paused else []), len(words)]
        said = Said(size=self._now if at is None else at)
        try:
            if exchange.agent:
                speak(exchange.agent, AGENT, self.cache)
            for a, b in pairwise(edges):
                if a:
                    said.size += round(self.rng.uniform(*PAUSE_S) * RATE_HZ)
                piece = speak(" ".join(words[a:b]), self._voice)
                said.pieces.append((said.size, piece))
                said.size += piece.pcm.size
        except ValueError:
            return None
        return said

    def _cuts(self, text: str) -> list[int]:
        opens, closed = pause_points(text)
        chosen: set[int] = set()
        for _ in range(self.rng.choice((1, 1, 1, 2, 2, 3, 4))):
            points = opens if self.rng.random() < OPEN_PAUSE else closed
            if points := (points or opens or closed):
                chosen.add(self.rng.choice(points))
        return sorted(chosen)

    def _put(self, said: Said) -> None:
        """Into the user's channel."""
        for at, piece in said.pieces:
            self._speech.append((at, piece.pcm))
            self._words += [
                (word, (at + start) // FRAME, -(-(at + end) // FRAME))
                for word, start, end in piece.words
            ]

    def _answered(self, exchange: Exchange, said: Said, kind: str = "") -> None:
        self._put(said)
        decided = said.end + self.rng.uniform(*WAIT_S) * RATE_HZ
        begin = int(-(-decided // FRAME)) - 1 + TEXT_LEAD
        voice = speak(exchange.agent, AGENT, self.cache)
        frames = -(-voice.pcm.size // FRAME)
        self._agent.append((begin * FRAME, voice.pcm))
        for word, start, _ in voice.words:
            self._write(begin + start // FRAME - TEXT_LEAD, word_ids()[word])
        self._write(begin + frames - 1, EOS)
        pauses = said.pauses()
        self._turn(
            kind or ("pause" if pauses else exchange.kind), exchange, said, (begin, begin + frames),
            pauses,
        )  # fmt: skip
        self._now = (begin + frames) * FRAME

    def _cut(self, by: Said) -> bool:
        """The agent's last answer is broken off, because the user speaks; not if it is over."""
        turn = self._turns[-1]
        begin, end = turn.agent_frames or (0, 0)
        silent = int(-(-(by.start + self.rng.uniform(*YIELD_S) * RATE_HZ) // FRAME))
        if silent >= end:
            return False
        at, pcm = self._agent[-1]
        kept = pcm[: silent * FRAME - at].copy()
        fade = np.linspace(1.0, 0.0, _FADE, dtype=np.float32)
        kept[-_FADE:] *= fade
        self._agent[-1] = (at, kept)
        for frame in [f for f in self._text if f >= silent - 1]:
            del self._text[frame]
        self._text[silent - 1] = EOS
        self._turns[-1] = replace(turn, agent_frames=(begin, silent), cut=True)
        return True

    def _ignored(self, exchange: Exchange, at: int) -> None:
        """Speech that gets no answer."""
        if said := self._said(exchange, at=at):
            self._put(said)
            self._turn(exchange.kind, exchange, said, None, ())
            self._now = max(self._now, said.size)

    def _noise_or_backchannel(self, at: int) -> None:
        if self.rng.random() < 0.3:
            burst = room.cough(self.rng)
            mark = (("", 0, burst.size),)
            said: Said | None = Said([(at, Utterance(burst, mark, ()))], at + burst.size)
            exchange = Exchange("", "", SILENT, "cough", False, {})
        else:
            word = self.language.murmur()
            exchange = Exchange(word, "", SILENT, "backchannel", False, {})
            said = self._said(exchange, at=at)
        if said:
            self._put(said)
            self._turn(exchange.kind, exchange, said, None, ())
            self._now = max(self._now, said.size)

    def _turn(
        self,
        kind: str,
        exchange: Exchange,
        said: Said,
        agent: tuple[int, int] | None,
        pauses: tuple[tuple[int, int], ...],
    ) -> None:
        frames = said.start // FRAME, -(-said.end // FRAME)
        self._turns.append(
            Turn(
                kind, exchange.user, exchange.agent, asdict(exchange.expect), frames, agent, pauses
            )
        )

    def _heard_until(self) -> int:
        """Where the user's last sound ends."""
        at, pcm = self._speech[-1]
        return at + pcm.size

    def _write(self, frame: int, word: int) -> None:
        """Into the text stream; where there is a word already, into the next free frame."""
        while frame in self._text:
            frame += 1
        self._text[frame] = word

    def _pass(self, least_s: float, most_s: float) -> None:
        self._now += round(self.rng.uniform(least_s, most_s) * RATE_HZ)

    def _finished(self) -> Dialogue:
        frames = -(-self._now // FRAME) + TEXT_LEAD
        speech, agent = np.zeros(frames * FRAME), np.zeros(frames * FRAME)
        for signal, pieces in ((speech, self._speech), (agent, self._agent)):
            for at, pcm in pieces:
                signal[at : at + pcm.size] += pcm
        text = np.full(frames, PAD, np.uint16)
        text[list(self._text)] = list(self._text.values())
        user = room.heard_by_model(speech, agent, self.rng)
        return Dialogue(
            as_int16(user), as_int16(agent), text, self._words, self._turns, self._voice.key
        )
