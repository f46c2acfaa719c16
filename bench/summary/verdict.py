"""What is slow in a preset, in one sentence: for the table and for the page alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.stats.format import number
from bench.summary.answers import RESIDUAL
from bench.summary.causes import PresetCauses, Tally
from bench.summary.frames import DuplexSummary
from bench.summary.outliers import Outliers
from bench.summary.summary import PresetSummary, RunSummary
from bench.timeline.frames import FRAME_MS
from pipelines.audio.ambience import ABOVE_DB, dbfs


@dataclass(frozen=True, slots=True)
class Words:
    """How a sentence calls a part of an answer, and which presets have less of it."""

    name: str
    """The part in a sentence, with its article where it takes one."""
    less: tuple[tuple[str, str], ...] = ()
    """(preset, what it does about the part), the preset with the most of it first."""

    @property
    def short(self) -> str:
        """The part in a table's cell."""
        return self.name.removeprefix("the ")


PARTS: Mapping[str, Words] = {
    "endpointing_delay": Words(
        "endpointing", (("cascade-embedded", "waits less"), ("duplex-nano", "has none"))
    ),
    "llm_to_clause": Words("the LLM", (("cascade-embedded", "has a small one"),)),
    "tts_ttfa": Words("the TTS", (("cascade-embedded", "has a fast one"),)),
    "output": Words("output", (("cascade-embedded", "sends 10 ms chunks"),)),
    RESIDUAL: Words("handing over"),
}
"""The parts of an answer, and for each the shipped presets that show what less of it gains."""

LEAST_SHARE = 0.05
"""Least share of the answers' time that a cause must have cost to be named in the sentence."""

NOT_SPLIT = "its answers are not split, for no marks of stages lead to them."
SYNTHETIC = "synthetic weights: it says nothing, so only its frames count."


def part_name(part: str | None) -> str:
    """A part as a table's cell says it; empty for None."""
    return "" if part is None else PARTS[part].short


def verdicts(summary: RunSummary) -> dict[str, str]:
    """Preset → its sentence, without its name; in the order of the run."""
    frames = {one.preset: one for one in summary.duplex}
    return {
        p.preset: verdict(p, frames.get(p.preset), main_cause(p, summary.causes_of(p.preset)))
        for p in summary.presets
    }


def main_cause(preset: PresetSummary, causes: PresetCauses | None) -> Tally | None:
    """The known cause that cost a preset's answers most; None if it is less than `LEAST_SHARE`."""
    largest = None if causes is None else causes.largest
    if largest is None or largest.lost_ms < LEAST_SHARE * sum(preset.values):
        return None
    return largest


def verdict(
    preset: PresetSummary,
    frames: DuplexSummary | None = None,
    cause: Tally | None = None,
    *,
    is_short: bool = False,
) -> str:
    """What is slow in a preset, or why that can't be said.

    Args:
        preset: Its figures.
        frames: Its frames, of a duplex model.
        cause: The known cause that cost its answers most, where that is to be named.
        is_short: True for a line of a terminal: a cause stands in place of the preset that has
            less of the part.
    """
    if frames is not None and frames.service_p50 is not None:
        return _of_frames(preset, frames, frames.service_p50)
    if preset.weights == "synthetic":
        return SYNTHETIC
    if not preset.answers:
        return "no answer counts: " + _without(preset)
    if not preset.shares:
        return NOT_SPLIT if cause is None else f"{cause.cause.short}."
    largest = preset.shares[0]
    words = PARTS[largest.part]
    said = f"{words.name} is {number(100 * largest.share)} % of the answer"
    if cause is not None:
        said = f"{said}: {cause.cause.short}"
    if preset.weights != "trained" or (is_short and cause is not None):
        return f"{said}."
    return f"{said}; {less}." if (less := _less(preset.preset, words)) else f"{said}."


def _less(name: str, words: Words) -> str:
    """The shipped preset that has less of a part; empty where none has."""
    names = [preset for preset, _ in words.less]
    rest = words.less[names.index(name) + 1 :] if name in names else words.less
    return " ".join(rest[0]) if rest else ""


def _of_frames(preset: PresetSummary, frames: DuplexSummary, service_ms: float) -> str:
    said = f"a frame takes {number(service_ms)} of {FRAME_MS:.0f} ms"
    if frames.ramp or service_ms > FRAME_MS:
        said = f"{said}: it falls behind"
    elif preset.weights != "synthetic":
        return f"{said}; when to answer is the model's own choice."
    return f"{said}; {SYNTHETIC}" if preset.weights == "synthetic" else f"{said}."


def _without(preset: PresetSummary) -> str:
    silent = preset.turns - preset.answered
    return f"{silent} of {preset.turns} turns had none, {len(preset.invalid)} are not valid."


def ambience_note(preset: PresetSummary) -> str:
    """What a channel that is never silent means for a preset's figures; it has ambience."""
    low, high = (dbfs(pick(preset.ambience_dbfs)) for pick in (min, max))
    level = low if low == high else f"{low} to {high}"
    n, of = len(preset.ambience_dbfs), preset.trials
    return (
        f"its channel is never silent in {n} of {of} {'trial' if of == 1 else 'trials'} (ambience "
        f"of {level}): heard is what rises {ABOVE_DB:.0f} dB above that."
    )


def outlier_sentence(group: Outliers, of: int) -> str:
    """What slow answers have in common: ``5 of 25 turns took 3.3 s: smart-turn said …``.

    Args:
        group: The slow answers.
        of: Number of all answers of the preset.
    """
    said = f"{len(group.answers)} of {of} {'turn' if of == 1 else 'turns'} took {group.took}"
    if group.cause:
        return f"{said}: {group.cause}"
    return said if group.part is None else f"{said}, most of it in {PARTS[group.part].name}"
