"""`ScriptedDuplex`: a duplex model without a model, so that every figure has a known answer.

Each frame takes exactly the time in the script: completions lie on cumulative deadlines while there
is backlog, so that no error of a sleep adds up. It speaks real speech (espeak-ng) when its script
or the user's silence says so, and listens while it speaks; as an oracle, it knows what the user
will say, and gives the right answer. With an energy gate of g ms and a compute time of s ms < 80 it
is heard g + 80 + s ms after the user's last audible sample (output sample i of a frame lies at
input sample i's place in it), plus what the transport adds.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pipelines.audio.onsets import first_audible, last_audible
from pipelines.audio.resample import resample
from pipelines.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns
from pipelines.duplex.scripted.mind import Mind, ScriptMind
from pipelines.duplex.scripted.options import ScriptOptions
from pipelines.duplex.scripted.oracle_lines import Knowledge, read_knowledge
from pipelines.duplex.scripted.oracle_mind import OracleMind
from pipelines.duplex.scripted.service_times import service_times_ms
from pipelines.duplex.session.model import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Capabilities,
    ContextEndError,
    Pcm,
    Step,
)
from pipelines.engines.tts.espeak import RATE_HZ as ESPEAK_RATE_HZ
from pipelines.engines.tts.espeak import EspeakEngine
from pipelines.process.engine import Emit, Request

_INT16 = np.float32(32768)


class ScriptedDuplex:
    """A `DuplexModel` of `ScriptOptions`."""

    sample_rate_hz = SAMPLE_RATE_HZ
    frame_samples = FRAME_SAMPLES
    capabilities = Capabilities(text_stream=True, forced_text=True)

    def __init__(
        self,
        *,
        clock: Clock = monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
        **script: Any,
    ) -> None:
        """Describes it; ``script`` are the fields of `ScriptOptions`, lists for its tuples."""
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in script.items()
        }
        self.options = ScriptOptions(**given)
        self.clock = clock
        self.sleep = sleep
        self._voice = EspeakEngine(voice=self.options.voice, rate_wpm=self.options.rate_wpm)
        self._spoken: dict[str, Pcm] = {}
        self._known: Knowledge | None = None

    def load(self) -> None:
        """Loads the voice and synthesises its text once.

        Raises:
            EngineError: espeak-ng, the recorded run or the fixtures can't be used.
        """
        next(service_times_ms(self.options))
        self._voice.load()
        if self.options.speak == "oracle":
            self._known = read_knowledge(self.options.fixtures)
        answers = {line.answer for line in self._known.lines} if self._known else set()
        for phrase in {self.options.phrase, *answers} - {""}:
            self.speech(phrase)

    def mind(self) -> Mind:
        """The mind of a fresh session."""
        if self._known is not None:
            return OracleMind(self.options, self._known.lines)
        return ScriptMind(self.options)

    @contextmanager
    def open(self, seed: int = 0) -> Iterator[ScriptedSession]:
        """A fresh session; ``seed`` has no effect: the script has its own."""
        yield ScriptedSession(self)

    def speech(self, text: str) -> Pcm:
        """A text as speech.

        Returns:
            (n,) float32, 24 kHz; from the first audible sample to the last.
        """
        if text not in self._spoken:
            pieces = self._known.voice.pieces(text) if self._known is not None else [text]
            spoken = [self._synthesised(p) if isinstance(p, str) else p for p in pieces]
            pcm = np.concatenate(spoken)
            first, last = first_audible(pcm, SAMPLE_RATE_HZ), last_audible(pcm, SAMPLE_RATE_HZ)
            cut = pcm[first : last + 1] if first is not None and last is not None else pcm[:0]
            self._spoken[text] = cut
        return self._spoken[text]

    def _synthesised(self, text: str) -> Pcm:
        pieces: list[bytes] = []
        request = Request("phrase", "speak", {"text": text}, b"")
        emit = Emit(request, lambda _header, pcm, _marks: pieces.append(pcm))
        self._voice.run(request, emit)
        pcm = np.frombuffer(b"".join(pieces), np.int16)
        spoken: Pcm = resample(pcm, ESPEAK_RATE_HZ, SAMPLE_RATE_HZ).astype(np.float32) / _INT16
        return spoken


class ScriptedSession:
    """One conversation; a `pipelines.duplex.session.stages.TimedSession`."""

    def __init__(self, model: ScriptedDuplex) -> None:
        self._model = model
        self._times_ms = service_times_ms(model.options)
        self._mind = model.mind()
        self._voice = np.zeros(0, np.float32)  # audio still to be said
        self._words: deque[tuple[str, bool]] = deque()  # (piece of text, forced)
        self._pause_frames = 0.0  # from one word of the phrase to the next
        self._until_word = 0.0
        self._frames = 0
        self._waited = False
        self._deadline_ns = 0

    def expect(self, *, waited: bool) -> None:
        """True if the next frame had arrived when the last was done: it then follows at once."""
        self._waited = waited

    def say(self, text: str) -> None:
        """Says a text now: one word a frame in the text stream, and as sound."""
        self._words = deque((f" {word}", True) for word in text.split())
        self._voice = self._model.speech(text)

    def step(self, pcm: Pcm) -> Step:
        """Hears a frame, says one, and takes the scripted time."""
        clock, options = self._model.clock, self._model.options
        start_ns = clock()
        if options.context_frames and self._frames >= options.context_frames:
            raise ContextEndError
        self._frames += 1
        behind = self._waited and self._frames > 1  # the first follows on nothing
        from_ns = self._deadline_ns if behind else start_ns
        self._deadline_ns = from_ns + round(next(self._times_ms) * NS_PER_MS)
        begin, stop = self._mind.hear(pcm)
        unsaid_ms = None
        said = np.zeros(FRAME_SAMPLES, np.float32)
        if stop is not None:
            if len(self._voice) > stop:
                unsaid_ms = (len(self._voice) - stop) * 1e3 / SAMPLE_RATE_HZ
            last = self._voice[:stop]
            said[: len(last)] = last
            self._voice, self._words = self._voice[:0], deque()
        if begin is not None and not len(self._voice):
            self._begin(self._mind.phrase)
        offset = begin or 0
        now, self._voice = np.split(self._voice, [FRAME_SAMPLES - offset])
        said[offset : offset + len(now)] += now
        text, forced = self._next_word()
        self._sleep()
        spans = {"step": (start_ns, clock())}
        return Step(said, text, (len(text),), spans, forced, unsaid_ms)

    def _begin(self, phrase: str) -> None:
        self._voice = self._model.speech(phrase)
        words = phrase.split()
        self._words = deque((f" {word}", False) for word in words)
        frames = len(self._voice) / FRAME_SAMPLES
        self._pause_frames = max(1.0, frames / max(1, len(words)))
        self._until_word = 0.0

    def _next_word(self) -> tuple[str, bool]:
        """The step's piece of text: a forced one each frame, the phrase's as it is spoken."""
        if not self._words:
            return "", False
        if not self._words[0][1]:
            self._until_word -= 1.0
            if self._until_word > 0:
                return "", False
            self._until_word += self._pause_frames
        return self._words.popleft()

    def _sleep(self) -> None:
        left_ns = self._deadline_ns - self._model.clock()
        if left_ns > 0:
            self._model.sleep(left_ns / NS_PER_S)
