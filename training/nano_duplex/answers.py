"""What the agent may answer: sentences for the recogniser that listens to it.

    python -m training.nano_duplex.answers --out build/nano/sentences.txt

A recogniser that expects the cascade's sentences hears the same sound worse. Nothing of what was
said in a run is used: answers are drawn from the language of the training, under a seed.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from bench.store.atomic import atomic_write
from pipelines.engines.stt.pocketsphinx import SENTENCES

NUMBER, SEED = 4000, 1


def answers(number: int = NUMBER, seed: int = SEED) -> list[str]:
    """Different answers of the agent to sentences of training."""
    from training.nano_duplex.language import NanoLanguage

    language, found = NanoLanguage(random.Random(seed)), dict[str, None]()
    tries = 0
    while len(found) < number and tries < 40 * number:
        tries += 1
        if text := language.exchange().agent:
            found.setdefault(text)
    return list(found)


def expected(number: int = NUMBER, seed: int = SEED) -> list[str]:
    """The cascade's sentences, and the agent's."""
    return [*SENTENCES.read_text(encoding="utf-8").splitlines(), *answers(number, seed)]


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/nano/sentences.txt"))
    parser.add_argument("--number", type=int, default=NUMBER, help="of the agent's answers")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args(argv)
    told = expected(args.number, args.seed)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(args.out, "".join(f"{line}\n" for line in told).encode())
    print(f"{args.out}: {len(told)} sentences")


if __name__ == "__main__":
    main()
