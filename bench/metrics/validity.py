"""Which figures may count: what the weights refuse, and what a bound that was broken spoils.

All rules stand in one table, `GROUPS`; the bounds on lateness are in bench/timeline/lateness.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.metrics.word_errors import word_errors
from bench.store.expectation import words
from bench.store.labels import TurnLabels
from bench.store.records import Trial
from bench.timeline.timeline import Turn

MAX_WER = 0.5
"""A turn that a cascade understood worse than this says nothing of how fast it answers."""

NOT_EXPECTED = "no answer is expected here"
NOT_SPOKEN = "the turn was not spoken"
SYNTHETIC = "synthetic weights carry no conversation"
SCRIPTED = "scripted: nothing was recognised or meant"
NO_LABELS = "the run holds no labels of this fixture"


@dataclass(frozen=True, slots=True)
class Group:
    """What a kind of metric needs to be believed."""

    refused: dict[str, str]
    """Weights → why such a metric is refused (null) with them."""
    needs_ruler: bool
    """Not valid where the mouth or the ear was too late."""
    needs_understanding: bool
    """Not valid on a turn that the agent did not understand."""
    needs_end: bool = False
    """A figure of a whole trial that is not valid where the trial failed: what was dying then, or
    never came, is missing in it."""


GROUPS: dict[str, Group] = {
    # How the harness itself did: always shown.
    "harness": Group({}, needs_ruler=False, needs_understanding=False),
    # What work costs on this machine: does not depend on what was said.
    "machine": Group({}, needs_ruler=False, needs_understanding=False),
    "playout": Group({}, needs_ruler=True, needs_understanding=False, needs_end=True),
    # What a duplex model's frames cost when the user's audio comes in real time.
    "frames": Group({}, needs_ruler=True, needs_understanding=False, needs_end=True),
    "latency": Group({"synthetic": SYNTHETIC}, needs_ruler=True, needs_understanding=True),
    # When it took the floor: whether it understood what was said or not.
    "floor": Group({"synthetic": SYNTHETIC}, needs_ruler=True, needs_understanding=False),
    # Not gated by understanding: a WER of only those turns with a low WER would flatter.
    "content": Group(
        {"synthetic": SYNTHETIC, "scripted": SCRIPTED},
        needs_ruler=True,
        needs_understanding=False,
    ),
}


def not_understood(turn: Turn, labels: TurnLabels | None, trial: Trial) -> str | None:
    """Why the agent's answer to a turn is no answer to what was said; None if it may be one.

    With trained weights, by the agent's kind. A cascade: a transcript that is not empty, and at
    most `MAX_WER` wrong. A duplex model, or one that hears and speaks itself: a word of its stream
    of text, or an utterance of it that begins, in the turn. Scripts and clicks need neither.
    """
    if trial.weights != "trained":
        return None
    if trial.kind in ("duplex", "speech"):
        said = [*turn.all("agent", "answer_text"), *turn.all("duplex", "text")]
        told = any(letter.isalnum() for mark in said for letter in mark.text or "")
        return None if told else "empty text stream"
    if trial.kind != "cascade":
        return None
    if labels is None:
        return NO_LABELS
    if not words(turn.transcript):
        return "empty transcript"
    errors = word_errors(labels.text, turn.transcript)
    if errors.rate > MAX_WER:
        return f"WER {errors.rate:.2f} > {MAX_WER:g}"
    return None
