"""Lessons beside the dialogues: all questions about one clean scene, dense and without noise."""

from __future__ import annotations

import random
from collections.abc import Iterator

from training.creature_llm.dialogue import Dialogue, Speaker
from training.creature_llm.language import Language


def look_ups(seed: str, questions: int = 8) -> Iterator[Dialogue]:
    """Endless clean scenes with nothing but questions about them."""
    language = Language(random.Random(seed), scene_lessons=True)
    while True:
        speaker = Speaker(language, misheard=0.0, fillers=0.0)
        if speaker.facts:
            turns = tuple(speaker.question() for _ in range(questions))
            yield Dialogue(" ".join(fact.text for fact in speaker.facts), turns)
