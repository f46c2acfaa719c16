"""Text → requested tasks: the watcher's rules and classifier together. Pure; runs anywhere."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.watch.reading.judge import Judge
from pipelines.watch.reading.spot import Candidate, Spotted, spot
from pipelines.watch.reading.words import sentences

CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Heard:
    """One request of a phrase."""

    task: str
    """A task's name, or `CANCEL`: the last request is cancelled."""
    object: str | None = None
    relation: str | None = None
    place: str | None = None

    @property
    def slots(self) -> dict[str, str]:
        """The slots that were named."""
        named = {"object": self.object, "relation": self.relation, "place": self.place}
        return {key: value for key, value in named.items() if value is not None}


class Reader:
    """One speaker's phrases, one after the other: "it" may mean a thing of the phrase before."""

    def __init__(self, judge: Judge | None) -> None:
        """``judge`` decides which candidates are meant; None takes them all (rules alone)."""
        self._judge = judge
        self._before: str | None = None

    def read(self, text: str, who: str) -> list[Heard]:
        """The requests of a phrase, in order.

        Args:
            text: One phrase, perhaps of several sentences.
            who: ``user`` (a transcript) or ``agent`` (an inner monologue).
        """
        heard: list[Heard] = []
        for sentence in sentences(text):
            spotted = spot(sentence, self._before)
            meant = [c for c in spotted.candidates if self._meant(spotted, c, who)]
            at = spotted.cancel_at
            if at is not None:
                kept = [c for c in meant if c.start > at]
                if len(kept) == len(meant) and not heard:
                    heard.append(Heard(CANCEL))  # nothing of this phrase: of an earlier one
                elif len(kept) == len(meant):
                    heard.pop()
                meant = kept
            heard += [Heard(c.task, c.object, c.relation, c.place) for c in meant]
            for candidate in spotted.candidates:
                if candidate.object and candidate.task != "gesture":
                    self._before = candidate.object
        return heard

    def _meant(self, spotted: Spotted, candidate: Candidate, who: str) -> bool:
        return self._judge is None or self._judge.meant(spotted, candidate, who)
