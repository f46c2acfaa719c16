"""The end-of-turn model on labelled utterances, as the pipeline would decide, without compute time.

Each utterance is heard 20 ms at a time by the shipped recogniser and voice detector; the
`Endpointer` decides. Reported are when each turn was committed and which pauses were taken for the
end. What computing adds is measured by runs of the preset, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.cascade.endpointing.endpointer import Endpointer, EndpointOptions
from pipelines.cascade.endpointing.model import EndOfTurnModel
from pipelines.cascade.endpointing.track import RATE_HZ
from training.endpointing.simulate import CHUNK, Ear, Stretch


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about one utterance."""

    committed_ms: float | None
    """Commit of the whole turn − its end, ms; None if it never came."""
    cut: tuple[Stretch, ...]
    """Pauses that were taken for the end."""
    pauses: int
    """Pauses it has."""
    predictions: int
    """Answers that were begun."""
    withdrawn: int
    """… of which were dropped."""
    text: str
    """Transcript that was committed last."""


def judge(
    ear: Ear,
    model: EndOfTurnModel,
    options: EndpointOptions,
    pcm: NDArray[np.int16],
    silences: Sequence[Stretch],
) -> Verdict:
    """Decides one utterance; after a wrong commit it goes on as with a new turn.

    Args:
        ear: Recogniser and voice detector.
        model: The weights.
        options: When to predict and to commit.
        pcm: (n,) int16 at 16 kHz.
        silences: Its silences in order, the last after its end.
    """
    ends = Endpointer(model, ear.confidence, options)
    heard = ear.listen()
    start = predictions = withdrawn = 0
    cut: list[Stretch] = []
    text, committed = "", None
    for at in range(0, len(pcm) - CHUNK + 1, CHUNK):
        now = at + CHUNK
        happened = ends.feed(pcm[at:now])
        if heard.listens:
            ends.words(heard.feed(pcm[at:now]))
        if happened == "predicted":
            predictions += 1
            text = heard.final()
            ends.words(text, final=True)
        elif happened == "goes_on":
            withdrawn += 1
            ends.words(heard.again(pcm[start:now]))
        elif happened == "over":
            last = [s for s in silences if s.start <= now]
            start = max(0, now - RATE_HZ // 5)
            ends.forget()
            heard.again(pcm[start:now])
            if last and last[-1].over:
                committed = (now - last[-1].start) * 1000 / RATE_HZ
                break
            cut += last[-1:]
    return Verdict(committed, tuple(cut), len(silences) - 1, predictions, withdrawn, text)
