"""Task 3. What is in the first codebook, and what in the rest? Writes ablation.csv.

Two codecs: a plain one, and one whose first codebook is trained on what does not depend on the
speaker (each sentence's own mean spectrum is taken away), as a stand-in for Mimi's, which a speech
model taught. Their codes are decoded whole, with the first codebook only, and without it.
"""

import csv
from pathlib import Path

import numpy as np
from rvq import decode, encode, nearest, train, train_codebook

from labs.lab5b_duplex import sound

LEVELS, SIZE, SEED = 8, 128, 1


def keep_levels(codes: np.ndarray, codebooks: list[np.ndarray], levels: list[int]) -> np.ndarray:
    """(n, d): decodes only the levels that are named, from 0; the others count as zero."""
    # TODO: one line with decode(). As it is, everything is kept.
    return decode(codes, codebooks)


def means(sentences: list[sound.Sentence]) -> np.ndarray:
    """(frames, d): for every frame the mean frame of its own sentence."""
    return np.concatenate([np.repeat(s.frames.mean(0, keepdims=True), len(s.frames), 0)
                           for s in sentences])  # fmt: skip


def codec(kind: str, known: list[sound.Sentence], unseen: list[sound.Sentence]):
    """Codebooks, and the codes of the unseen sentences' frames, all without the overall mean."""
    train_on, code = (np.concatenate([s.frames for s in group]) for group in (known, unseen))
    mean = train_on.mean(axis=0)
    if kind == "plain":
        codebooks = train(train_on - mean, LEVELS, SIZE, SEED)
        return codebooks, encode(code - mean, codebooks), mean
    first = train_codebook(train_on - means(known), SIZE, SEED)
    q1 = first[nearest(train_on - means(known), first)]
    rest = train(train_on - mean - q1, LEVELS - 1, SIZE, SEED + 1)
    codes = nearest(code - means(unseen), first)
    left = encode(code - mean - first[codes], rest)
    return [first, *rest], np.column_stack([codes, left]), mean


def main() -> None:
    """Words and voices that are left, for each codec and each way of decoding it."""
    known, unseen = sound.sentences(sound.TRAINING), sound.sentences(sound.HELD_OUT)
    recogniser = sound.Recogniser()
    voices = sorted({s.voice for s in known})
    profiles = {
        voice: sound.profile(np.concatenate([s.frames for s in known if s.voice == voice]))
        for voice in voices
    }
    ends = np.cumsum([len(s.frames) for s in unseen])[:-1]
    rows = []

    def measure(kind: str, kept: str, decoded: list[np.ndarray], pcm: list[np.ndarray]) -> None:
        heard = [recogniser.text(one) for one in pcm]
        wer = sound.word_error_rate([s.text for s in unseen], heard)
        pairs = zip(decoded, unseen, strict=True)
        right = [sound.voice_of(frames, profiles) == s.voice for frames, s in pairs]
        rows.append([kind, kept, f"{wer:.3f}", f"{sum(right) / len(right):.2f}"])
        print(*rows[-1])

    original = [s.frames for s in unseen]
    measure("none", "original", original, [s.pcm for s in unseen])
    measure("none", "no codebook, new phase", original, [sound.sound_of(f) for f in original])
    for kind in ("plain", "split"):
        codebooks, codes, mean = codec(kind, known, unseen)
        for kept, levels in (
            ("all", list(range(LEVELS))),
            ("first", [0]),
            ("without first", list(range(1, LEVELS))),
        ):
            frames = np.split(keep_levels(codes, codebooks, levels) + mean, ends)
            measure(kind, kept, frames, [sound.sound_of(f) for f in frames])
    with Path("ablation.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["codec", "kept", "wer", "voices_right"])
        table.writerows(rows)


if __name__ == "__main__":
    main()
