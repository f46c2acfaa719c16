"""The rules of validity: metrics that the weights refuse, and faults that invalidate a figure.

All rules stand in one table, `GROUPS`; the bounds on lateness are in bench/timeline/lateness.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bench.stats.word_errors import word_errors
from bench.store.expectation import judge
from bench.store.labels import TurnLabels
from bench.store.records import Trial
from bench.store.words import words
from bench.timeline.timeline import Turn
from pipelines.clock import NS_PER_MS
from pipelines.marks import Mark

MAX_WER = 0.5
"""Largest word error rate of a cascade's turn whose latency is valid."""
FEW_WORDS = 2
"""Words of a turn, at most, in which one misheard word says nothing of what was understood."""
EARLIEST_MS = -1000.0
"""Voice to voice before which the sound answers something else than the whole turn."""

NOT_EXPECTED = "no answer is expected here"
NOT_SPOKEN = "the turn was not spoken"
SYNTHETIC = "synthetic weights carry no conversation"
SCRIPTED = "scripted: nothing was recognised or meant"
WORDS_UNKNOWN = "the agent reports no words, and no recogniser has listened: duplex-lab listen RUN"
NO_LABELS = "the run holds no labels of this fixture"


@dataclass(frozen=True, slots=True)
class Invalidations:
    """Why figures of a trial or a turn are invalid, by what a group of metrics needs."""

    ruler: str | None = None
    """The bound that the mouth or the ear exceeded; None if they held all."""
    end: str | None = None
    """The trial's failure; None if it did not fail."""
    understanding: str | None = None
    """Why the answer may not answer the words said; None for a whole trial."""


VALID = Invalidations()
"""Nothing makes a figure invalid."""


GroupName = Literal["harness", "machine", "playout", "frames", "latency", "turn_taking", "content"]
"""Kind of a metric: a key of `GROUPS`."""


@dataclass(frozen=True, slots=True)
class Group:
    """The needs of a group of metrics for a valid figure."""

    refused: Mapping[str, str]
    """Weights → why such a metric is refused (null) with them."""
    needs_ruler: bool = False
    """Invalid where the mouth or the ear was too late."""
    needs_end: bool = False
    """Invalid where the trial failed: work that was dying, or never came, is missing in it."""
    needs_understanding: bool = False
    """Invalid on a turn that the agent did not understand."""
    needs_answer: bool = False
    """Refused (null) on a turn that expects no answer."""

    def refusal(self, trial: Trial, labels: TurnLabels | None = None) -> str | None:
        """Why such a metric is null whatever happened; None if it is read.

        Args:
            trial: The trial.
            labels: Labels of the turn; None for a whole trial, and where the run holds none.
        """
        not_asked = self.needs_answer and labels is not None and not labels.expect.respond
        return self.refused.get(trial.weights) or (NOT_EXPECTED if not_asked else None)

    def invalidation(self, found: Invalidations) -> str | None:
        """The first reason that makes such a metric invalid; None if it is valid."""
        return (
            (found.end if self.needs_end else None)
            or (found.ruler if self.needs_ruler else None)
            or (found.understanding if self.needs_understanding else None)
        )


_NO_CONVERSATION = {"synthetic": SYNTHETIC}

GROUPS: dict[GroupName, Group] = {
    # How the harness itself did: always shown.
    "harness": Group({}),
    # What work costs on this machine: does not depend on what was said.
    "machine": Group({}),
    "playout": Group({}, needs_ruler=True, needs_end=True),
    # What a duplex model's frames cost when the user's audio comes in real time.
    "frames": Group({}, needs_ruler=True, needs_end=True),
    "latency": Group(
        _NO_CONVERSATION, needs_ruler=True, needs_understanding=True, needs_answer=True
    ),
    # Who speaks when: whether it understood what was said or not.
    "turn_taking": Group(_NO_CONVERSATION, needs_ruler=True),
    # Not gated by understanding: a WER of only those turns with a low WER would flatter.
    "content": Group(_NO_CONVERSATION | {"scripted": SCRIPTED}, needs_ruler=True),
}


def trial_failure(trial: Trial) -> str | None:
    """Why the trial's figures are not to be compared; None if it did not fail."""
    return f"the trial failed: {trial.error}" if trial.status == "error" else None


def failure(trial: Trial) -> str:
    """How a trial ended that did not go well, in a few words."""
    return f"{trial.status}: {trial.error}" if trial.error else trial.status


def too_early(turn: Turn) -> str | None:
    """Why the sound is no answer to the whole of what was said; None if it may be one."""
    if turn.a_on_ns is None:
        return None
    waited_ms = (turn.a_on_ns - turn.u_off_ns) / NS_PER_MS
    if waited_ms >= EARLIEST_MS:
        return None
    return f"began {-waited_ms:.0f} ms before the user's end: no answer to the whole turn"


def _has_words(marks: Iterable[Mark]) -> bool:
    return any(letter.isalnum() for mark in marks for letter in mark.text or "")


def _not_heard_in_words(turn: Turn) -> str | None:
    """Why an answer of an agent elsewhere may be none: it reports no words, and none was heard."""
    listened = turn.all("ear", "transcript")
    if _has_words([*turn.all("line", "agent_text"), *listened]):
        return None
    return "no word of the answer was recognised" if listened else WORDS_UNKNOWN


def not_understood(
    turn: Turn, labels: TurnLabels | None, trial: Trial, answer: str | None = None
) -> str | None:
    """Why the agent's answer to a turn is no answer to what was said; None if it may be one.

    With trained weights, by the agent's kind. A cascade: a transcript that is not empty, and
    either a right answer, where the fixture says what one names, or at most `MAX_WER` wrong words;
    of a turn of `FEW_WORDS` the words alone decide nothing. A duplex model, or one that hears and
    speaks itself: a word of its stream of text, or an utterance of it that begins, in the turn. An
    agent elsewhere: a word that it reports, or that a recogniser heard in its answer. Scripts and
    clicks need neither.

    Args:
        turn: What happened.
        labels: What was said; None where the run holds no labels.
        trial: Its kind and weights.
        answer: What the agent meant to say; None where that is not marked.
    """
    if trial.weights != "trained":
        return None
    if trial.kind in ("duplex", "speech"):
        said = [*turn.all("agent", "answer_text"), *turn.all("duplex", "text")]
        return None if _has_words(said) else "empty text stream"
    if trial.kind == "remote":
        return _not_heard_in_words(turn)
    if trial.kind != "cascade":
        return None
    if labels is None:
        return NO_LABELS
    if not words(turn.transcript):
        return "empty transcript"
    errors = word_errors(labels.text, turn.transcript)
    if errors.rate <= MAX_WER:
        return None
    is_judged = bool(labels.expect.slots) and answer is not None
    if is_judged and judge(labels.expect, answer or "").right:
        return None
    if not is_judged and len(words(labels.text)) <= FEW_WORDS:
        return None
    return f"WER {errors.rate:.2f} > {MAX_WER:g}"
