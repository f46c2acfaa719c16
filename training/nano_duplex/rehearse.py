"""Lets a checkpoint converse with held-out dialogues, as text: what it answers, and when.

The user's side is played as it was recorded, whatever the model does. Its figures say how training
goes; the harness (``evaluate``) says what a person would hear.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.nano_duplex.lm import Lm
from training.nano_duplex.stream import Stream
from training.nano_duplex.tokens import Encoded, read_all
from training.nano_duplex.train_lm import load_lm

SOON = 19
"""Frames after a turn's end in which it must be taken: 1.5 s."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts: of how many, how many."""

    right: tuple[int, int]
    """Answers whose words are all right, of turns that were answered in full."""
    taken: tuple[int, int]
    """Turns that it takes in time."""
    in_pauses: tuple[int, int]
    """Pauses in which it begins to speak."""
    unasked: tuple[int, int]
    """Murmurs, coughs and side talk in its silence that it answers."""
    went_on: tuple[int, int]
    """Answers over which these come that are told to as many words as they have."""
    frames_late: float
    """Median frames from the user's end to the first word; NaN without any."""

    def told(self) -> str:
        """In a line."""
        parts = [
            f"{name} {a}/{b} = {100 * a / max(1, b):.0f} %"
            for name, (a, b) in (
                ("right", self.right),
                ("taken", self.taken),
                ("in pauses", self.in_pauses),
                ("unasked", self.unasked),
                ("went on", self.went_on),
            )
        ]
        return ", ".join([*parts, f"first word {self.frames_late:.0f} frames after the end"])


def rehearse(
    lm: Lm,
    dialogues: list[Encoded],
    *,
    speaks: bool,
    heat: float = 0.0,
    code_heat: float = 0.0,
    eagerness: float = 0.0,
) -> np.ndarray:
    """(dialogues, frames) what it said, each dialogue padded with silence to the longest."""
    frames = max(len(d) for d in dialogues)
    vectors = np.zeros((len(dialogues), frames, dialogues[0].vectors.shape[1]), np.float32)
    for row, dialogue in enumerate(dialogues):
        vectors[row, : len(dialogue)] = dialogue.vectors[:]
        vectors[row, len(dialogue) :] = dialogue.vectors[-1:]
    stream = Stream(
        lm, len(dialogues), speaks=speaks, temperature=code_heat, text_temperature=heat,
        eagerness=eagerness,
    )  # fmt: skip
    said = [stream.step(torch.from_numpy(vectors[:, f]))[0].numpy() for f in range(frames)]
    return np.stack(said, 1)


def judge(dialogues: list[Encoded], said: np.ndarray, words: list[str]) -> Figures:
    """What was said against what was to be said."""
    count: Counter[str] = Counter()
    late = []
    for dialogue, tokens in zip(dialogues, said, strict=True):
        turns = dialogue.turns
        for index, turn in enumerate(turns):
            for first, past in turn["pauses"]:
                count["pauses"] += 1
                count["in pauses"] += bool((tokens[first : past + 1] >= 3).any())
            end = turn["user_frames"][1]
            if not turn["agent"] or turn["agent_frames"] is None:
                if _in_silence(turns[:index], turn):
                    count["ignored"] += 1
                    count["unasked"] += bool((tokens[end : _until(turns, index, end)] >= 3).any())
                continue
            until = _next_asked(turns[index + 1 :], len(tokens))
            count["turns"] += 1
            soon = np.flatnonzero(tokens[end : end + SOON] >= 3)
            if len(soon):
                count["taken"] += 1
                late.append(int(soon[0]))
            if not turn["cut"] and until > turn["agent_frames"][1]:
                count["whole"] += 1
                heard = [words[t - 3] for t in tokens[end - 1 : until] if t >= 3]
                count["right"] += heard == turn["agent"].split()
                if _is_listened_to(turns[index + 1 :], turn):
                    count["over"] += 1
                    count["went on"] += len(heard) >= len(turn["agent"].split())
    return Figures(
        (count["right"], count["whole"]),
        (count["taken"], count["turns"]),
        (count["in pauses"], count["pauses"]),
        (count["unasked"], count["ignored"]),
        (count["went on"], count["over"]),
        float(np.median(late)) if late else float("nan"),
    )


def _next_asked(later: list[dict[str, Any]], length: int) -> int:
    """Where the next turn that is answered begins; the dialogue's end, where there is none."""
    return next((int(t["user_frames"][0]) for t in later if t["agent"]), length)


def _is_listened_to(later: list[dict[str, Any]], turn: dict[str, Any]) -> bool:
    """Whether somebody murmurs, coughs or talks to others over a turn's answer."""
    first, past = turn["agent_frames"]
    return any(not t["agent"] and first <= t["user_frames"][0] < past for t in later)


def _in_silence(before: list[dict[str, Any]], turn: dict[str, Any]) -> bool:
    """Whether nobody is to speak when this turn is said."""
    ends = [t["agent_frames"][1] for t in before if t["agent_frames"]]
    return turn["user_frames"][0] >= max(ends, default=0)


def _until(turns: list[dict[str, Any]], index: int, end: int) -> int:
    """The frames after a turn that are its own: up to what is said next, 1.5 s at most."""
    following = turns[index + 1]["user_frames"][0] if index + 1 < len(turns) else end + SOON
    return int(min(end + SOON, following))


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lm", type=Path, required=True, help="checkpoint of train_lm")
    parser.add_argument("--tokens", type=Path, default=Path("build/nano/tokens"))
    parser.add_argument("--splits", default="valid,heldout")
    parser.add_argument("--most", type=int, default=32, help="dialogues of each split")
    parser.add_argument("--heat", type=float, default=0.0, help="temperature of the text")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--vocabulary", type=Path, default=Path(__file__).with_name("vocabulary.txt")
    )
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    lm, state = load_lm(args.lm)
    words = args.vocabulary.read_text(encoding="utf-8").split()
    for split in args.splits.split(","):
        dialogues = read_all(args.tokens / split)[: args.most]
        said = rehearse(lm.eval(), dialogues, speaks=state["stage"] != "read", heat=args.heat)
        print(f"{split}: {judge(dialogues, said, words).told()}", flush=True)


if __name__ == "__main__":
    main()
