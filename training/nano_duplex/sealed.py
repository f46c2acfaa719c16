"""Writes the sealed fixtures: sentences and voices that nothing before the last judgement says.

    python -m training.nano_duplex.held_out --out build/nano/fixtures
    python -m training.nano_duplex.sealed --beside build/nano/fixtures --out build/nano/sealed

100 turns that want an answer: 45 single ones, 25 with pauses, 30 in ten conversations with an
interruption and two murmurs or coughs each. They are made before a training begins, and no answer
to them is read before the model is judged. The held-out fixtures were read; none of their sentences
is among these. The seed gives the same bytes with the same flite and espeak-ng; the digest of all
of them is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.fixtures.fixture import Fixture
from fixtures.authoring import author
from fixtures.authoring.floor import conversation
from training.creature_llm.corpus import normal, texts_in
from training.nano_duplex.held_out import Author, row_of
from training.nano_duplex.language import Exchange, NanoLanguage
from training.nano_duplex.voices import draw_sealed

OUT = Path("build/nano/sealed")
BESIDE = Path("build/nano/fixtures")
SEED = 23
PLAIN, PAUSED, CONVERSATIONS = 45, 25, 10
TAG = "sealed"


class Sealed(Author):
    """Draws and writes them; ``said``: the sentences that must not come."""

    def __init__(self, out: Path, seed: int, said: set[str]) -> None:
        super().__init__(out, seed)
        self.language = NanoLanguage(self.rng, held_out=True, sealed=True)
        self._said |= said
        self._known = frozenset(said)

    def fixtures(self) -> Iterator[tuple[Fixture, list[author.Pcm]]]:
        """All of them: records with the audio of their turns."""
        for i in range(PLAIN):
            yield self._tried(partial(self._single, f"sealed_say_{i + 1:02d}", paused=False))
        for i in range(PAUSED):
            yield self._tried(partial(self._single, f"sealed_pause_{i + 1:02d}", paused=True))
        for i in range(CONVERSATIONS):
            yield self._tried(partial(self._floor, f"sealed_floor_{i + 1:02d}"))

    def _single(self, name: str, paused: bool) -> tuple[Fixture, list[author.Pcm]]:
        fixture, pcms = super()._single(name, paused)
        return replace(fixture, origin=_origin(fixture), tags=(*fixture.tags, TAG)), pcms

    def _floor(self, name: str) -> tuple[Fixture, list[author.Pcm]]:
        """A question, broken into; a murmur over the answer, and over that to another question."""
        asked, over, other = (
            self._question(), self._long(self.language.interruption), self._question()
        )  # fmt: skip
        sentences = {f"{name}.s{i}": row_of(said) for i, said in enumerate((asked, over, other))}
        events: dict[str, Mapping[str, Any]] = {"cough": {"kind": "cough"}}
        murmurs = []
        for i in range(2):
            key = "cough" if self.rng.random() < 0.2 else f"{name}.e{i}"
            events[key] = events.get(
                key, {"kind": "backchannel", "text": self.language.backchannel()}
            )
            murmurs.append(f"{key} at {self.rng.randrange(600, 1300, 100)}")
        first, second, third = sentences
        turns = [
            first, f"{second} over {self.rng.randrange(600, 1300, 100)}", murmurs[0],
            third, murmurs[1],
        ]  # fmt: skip
        entry = {"name": name, "voice": self._voice(), "turns": turns}
        table = {"sentence": sentences, "event": events}
        fixture, pcms = conversation(entry, table, self.out, self.scene, self.speaker)
        origin = f"voice {entry['voice']}, by training/nano_duplex/sealed.py"
        return replace(fixture, origin=origin, tags=("heldout", "floor", TAG)), pcms

    def _question(self) -> Exchange:
        """One with a long answer; there are few, and two conversations may have the same."""
        while (drawn := self.language.exchange(long=True)).user in self._known:
            pass
        return drawn

    def _voice(self) -> str:
        voice = draw_sealed(self.rng)
        self.voices[voice.key] = voice
        return voice.key


def _origin(fixture: Fixture) -> str:
    return fixture.origin.replace("held_out.py", "sealed.py")


def sentences_of(folder: Path) -> set[str]:
    """Every sentence that the fixtures of a folder say."""
    found: set[str] = set()
    for path in folder.glob("*.toml"):
        found.update(map(normal, texts_in(tomllib.loads(path.read_text(encoding="utf-8")))))
    return found


def digest(folder: Path) -> str:
    """SHA-256 of all files' names and bytes, in the order of their names."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        whole.update(path.name.encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--beside", type=Path, default=BESIDE, help="folder of held_out's fixtures")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args(argv)
    if not (said := sentences_of(args.beside)):
        raise SystemExit(f"{args.beside} has no fixtures: run training.nano_duplex.held_out first.")
    args.out.mkdir(parents=True, exist_ok=True)
    fixtures = turns = 0
    for fixture, pcms in Sealed(args.out, args.seed, said).fixtures():
        author.write(fixture, pcms)
        fixtures += 1
        turns += sum(turn.expect.respond for turn in fixture.turns)
    print(f"{fixtures} fixtures, {turns} turns in {args.out}, SHA-256 {digest(args.out)}")


if __name__ == "__main__":
    main()
