"""The stages of a turn that may be given another time, as rows: pieces of the path, and what they
hold.

A piece of `bench.timeline.critical_path.PIECES` holds smaller stages where marks split it: the
release waits for the VAD's stop, the transcript and an end-of-turn model's verdict, whichever comes
last. So a smaller stage moves the answer only as far as nothing else was waited for.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.timeline.critical_path import PIECES


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that ``--set`` names."""

    name: str
    description: str
    """Its definition, one line."""
    within: str = ""
    """The piece that it is a part of; empty: it is a piece itself."""

    @property
    def is_piece(self) -> bool:
        """It is a piece of the critical path."""
        return not self.within


INNER: tuple[Stage, ...] = (
    Stage("vad_stop", "VAD stop − u_off", "endpointing_delay"),
    Stage("stt_tail", "final transcript − VAD stop, never below 0", "endpointing_delay"),
    Stage(
        "end_of_turn_model",
        "the end-of-turn model's last verdict − VAD stop; 0 where there is no such model",
        "endpointing_delay",
    ),
    Stage(
        "release_wait",
        "turn release − the last of VAD stop, transcript and verdict: a timer, or nothing",
        "endpointing_delay",
    ),
    Stage("llm_ttft", "LLM request → its first token", "llm_to_clause"),
    Stage("tts_ttfb", "TTS request → first byte", "tts_ttfa"),
)
"""The stages that lie within pieces, each before its piece in what is computed."""

STAGES: dict[str, Stage] = {
    stage.name: stage for stage in (*INNER, *(Stage(p.name, p.description) for p in PIECES))
}
"""Name → the stage."""
