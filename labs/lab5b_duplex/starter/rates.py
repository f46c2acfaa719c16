"""Task 2. Rate and distortion: what each further codebook buys. Writes rates.csv and rates.png."""

import csv
from pathlib import Path

import numpy as np
from rvq import bits_per_frame, decode, encode, kbps, train

from labs.lab5b_duplex.sound import FRAME_HZ, HELD_OUT, TRAINING, mimi_like, sentences, snr_db

LEVELS, SIZE, SEED = 8, 128, 1


def main() -> None:
    """Both sources, one codebook to eight, on vectors that no codebook was trained on."""
    fixtures = [np.concatenate([s.frames for s in sentences(n)]) for n in (TRAINING, HELD_OUT)]
    sources = {
        "mimi_like": (mimi_like(6000, 1), mimi_like(2000, 2), 12.5),
        "fixtures": (*fixtures, FRAME_HZ),
    }
    rows = []
    for source, (known, unseen, frames_per_s) in sources.items():
        mean = known.mean(axis=0)
        codebooks = train(known - mean, LEVELS, SIZE, SEED)
        codes = encode(unseen - mean, codebooks)
        for levels in range(1, LEVELS + 1):
            got = decode(codes[:, :levels], codebooks) + mean
            bits, rate = bits_per_frame(levels, SIZE), kbps(levels, SIZE, frames_per_s)
            rows.append([source, levels, f"{bits:g}", f"{rate:g}", f"{snr_db(unseen, got):.2f}"])
            print(*rows[-1])
    with Path("rates.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["source", "levels", "bits_per_frame", "kbps", "snr_db"])
        table.writerows(rows)
    draw(rows)


def draw(rows: list[list]) -> None:
    """Signal to noise over bits per frame."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    for source in dict.fromkeys(row[0] for row in rows):
        points = [(float(row[2]), float(row[4])) for row in rows if row[0] == source]
        pyplot.plot(*zip(*points, strict=True), marker="o", label=source)
    pyplot.xlabel("bits per frame")
    pyplot.ylabel("signal to quantisation noise, dB")
    pyplot.legend()
    pyplot.savefig("rates.png", dpi=120)


if __name__ == "__main__":
    main()
