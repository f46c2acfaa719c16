"""Lessons beside the dialogues: copying out of order, and dense look-ups in small scenes.

On dialogues alone the model stays at chance in scene questions for thousands of steps, because
few of their tokens ask for a look-up. ``copies`` asks for one at nearly every token, so that the
attention heads that find "what came after this before" form within a few hundred steps;
``look_ups`` asks all questions about one clean scene.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from training.creature_llm.dialogue import Dialogue, Speaker
from training.creature_llm.language import Language

Example = tuple[list[int], list[int]]
"""Token ids, and the targets: -1 where the model is not asked."""


def copies(seed: str, first: int, vocab: int) -> Iterator[Example]:
    """Endless random token sequences whose segments come again in another order.

    ``first``–``vocab`` are the ids drawn from. Few different ids in one sequence make single
    tokens ambiguous, so that more than one token before must match. Asked is every token of the
    second time but the segments' first ones.
    """
    rng = random.Random(seed)
    while True:
        alphabet = [rng.randrange(first, vocab) for _ in range(rng.choice([8, 16, 32, 64]))]
        segments = [
            [rng.choice(alphabet) for _ in range(rng.randint(3, 9))]
            for _ in range(rng.randint(2, 8))
        ]
        ids = [token for segment in segments for token in segment]
        ids += [rng.choice(alphabet) for _ in range(rng.randint(0, 12))]
        learn = [False] * len(ids)
        rng.shuffle(segments)
        for segment in segments:
            ids += segment
            learn += [False, *[True] * (len(segment) - 1)]
        yield ids[:-1], [ids[i + 1] if learn[i + 1] else -1 for i in range(len(ids) - 1)]


def look_ups(seed: str, questions: int = 8) -> Iterator[Dialogue]:
    """Endless clean scenes with nothing but questions about them."""
    language = Language(random.Random(seed), scene_lessons=True)
    while True:
        speaker = Speaker(language, misheard=0.0, fillers=0.0)
        if speaker.facts:
            turns = tuple(speaker.question() for _ in range(questions))
            yield Dialogue(" ".join(fact.text for fact in speaker.facts), turns)
