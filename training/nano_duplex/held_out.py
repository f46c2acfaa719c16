"""Writes fixtures of voices and sentences that no training has met: what the model is judged by.

    python -m training.nano_duplex.held_out --out build/nano/fixtures
    DUPLEX_LAB_FIXTURES=build/nano/fixtures duplex-lab run --presets duplex-nano --fixtures all

Commands and questions (some with labelled pauses), and conversations whose user interrupts, murmurs
and coughs, in the form of fixtures/. flite 2.2 is needed; the same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import random
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.fixtures.fixture import Cue, Fixture, FixtureKind
from fixtures.authoring import author
from fixtures.authoring.floor import conversation
from fixtures.authoring.synthesis import Spoken
from training.creature_llm.corpus import ROOT
from training.nano_duplex.language import Exchange, NanoLanguage
from training.nano_duplex.speech import spoken
from training.nano_duplex.voices import Voice, draw_user
from training.nano_duplex.world import pause_points

OUT = Path("build/nano/fixtures")
SEED = 11
PLAIN, PAUSED, CONVERSATIONS = 40, 20, 12
TAG = "heldout"
KINDS: dict[str, FixtureKind] = {
    "command": "command",
    "question": "question",
    "talk": "greeting",
    "refusal": "refusal",
}
PAUSES_MS = range(300, 1101, 100)


class Author:
    """Draws and writes the fixtures; all randomness comes from ``seed``."""

    def __init__(self, out: Path, seed: int) -> None:
        self.out = out
        self.rng = random.Random(seed)
        self.language = NanoLanguage(self.rng, held_out=True)
        self.voices: dict[str, Voice] = {}
        script = ROOT / "fixtures" / "authoring" / "script.toml"
        self.scene = tomllib.loads(script.read_text(encoding="utf-8"))["scene"]
        self._said: set[str] = set()

    def fixtures(self) -> Iterator[tuple[Fixture, list[author.Pcm]]]:
        """All of them: records with the audio of their turns."""
        for i in range(PLAIN):
            yield self._tried(partial(self._single, f"nano_say_{i + 1:02d}", paused=False))
        for i in range(PAUSED):
            yield self._tried(partial(self._single, f"nano_pause_{i + 1:02d}", paused=True))
        for i in range(CONVERSATIONS):
            yield self._tried(partial(self._floor, f"nano_floor_{i + 1:02d}"))

    def _tried(self, make: Any) -> tuple[Fixture, list[author.Pcm]]:
        while True:
            try:
                made: tuple[Fixture, list[author.Pcm]] = make()
            except ValueError:
                continue  # a voice that can't say the words so that they can be told
            return made

    def _single(self, name: str, paused: bool) -> tuple[Fixture, list[author.Pcm]]:
        exchange = self._new(lambda: self.language.exchange(long=False))
        while paused and len(exchange.user.split()) < 6:
            exchange = self._new(lambda: self.language.exchange(kind="command", long=False))
        row = {**row_of(exchange), "expect": _expect(exchange)}
        if paused:
            row["pauses"] = self._pauses(exchange.user)
        voice = self._voice()
        turn, pcm = self.speaker(self.out / f"{name}.wav", voice, row, Cue("start", 500))
        fixture = Fixture(
            name=name,
            kind="hesitation" if paused else KINDS[exchange.kind],
            turns=(turn,),
            labels="synthesis",
            licence="CC0-1.0",
            origin=f"voice {voice}, by training/nano_duplex/held_out.py",
            tags=(TAG, "paused") if paused else (TAG,),
            variant="",
            base="",
            scene=self.scene if exchange.kind == "question" else "",
            sha256="",  # the loader computes it
            path=self.out / f"{name}.toml",
        )
        return fixture, [pcm]

    def _floor(self, name: str) -> tuple[Fixture, list[author.Pcm]]:
        """A conversation: two questions interrupted, two over which the user murmurs or coughs."""
        rng = self.rng
        sentences: dict[str, Mapping[str, Any]] = {}
        events: dict[str, Mapping[str, Any]] = {"cough": {"kind": "cough"}}
        turns: list[str] = []

        def sentence(exchange: Exchange) -> str:
            key = f"{name}.s{len(sentences)}"
            sentences[key] = row_of(exchange)
            return key

        for _ in range(2):
            turns.append(sentence(self._long(self._question)))
            over = sentence(self._long(self.language.interruption))
            turns.append(f"{over} over {rng.randrange(600, 1300, 100)}")
        # The last interruption's answer is long, and somebody murmurs over it.
        for i in range(2):
            word = self.language.backchannel()
            event = "cough" if rng.random() < 0.3 else f"{name}.e{i}"
            events.setdefault(event, {"kind": "backchannel", "text": word})
            if i:
                turns.append(sentence(self._long(self._question)))
            turns.append(f"{event} at {rng.randrange(600, 1300, 100)}")
        entry = {"name": name, "voice": self._voice(), "turns": turns}
        table = {"sentence": sentences, "event": events}
        fixture, pcms = conversation(entry, table, self.out, self.scene, self.speaker)
        origin = f"voice {entry['voice']}, by training/nano_duplex/held_out.py"
        return replace(fixture, origin=origin, tags=(TAG, "floor")), pcms

    def _question(self) -> Exchange:
        return self.language.exchange(long=True)

    def _long(self, draw: Callable[[], Exchange]) -> Exchange:
        """One with a long answer."""
        while not (drawn := self._new(draw)).long:
            pass
        return drawn

    def _new(self, draw: Callable[[], Exchange]) -> Exchange:
        """One whose sentence no fixture has had."""
        while True:
            drawn = draw()
            if drawn.user not in self._said:
                self._said.add(drawn.user)
                return drawn

    def _voice(self) -> str:
        voice = draw_user(self.rng, held_out=True)
        self.voices[voice.key] = voice
        return voice.key

    def _pauses(self, user: str) -> list[dict[str, int]]:
        opens, closed = pause_points(user)
        at = sorted(self.rng.sample(opens or closed, min(len(opens or closed), 2)))
        return [{"after_word": i, "ms": self.rng.choice(PAUSES_MS)} for i in at]

    def speaker(
        self, wav: Path, voice: str, row: Mapping[str, Any], cue: Cue
    ) -> tuple[Any, author.Pcm]:
        """A turn in one of the drawn voices, by its key."""

        def say(key: str, words: tuple[str, ...]) -> Spoken:
            return spoken(" ".join(words), self.voices[key])

        return author.spoken_turn(wav, voice, row, cue, say)


def _expect(exchange: Exchange) -> dict[str, Any]:
    expect = exchange.expect
    table: dict[str, Any] = {"respond": expect.respond, "intent": expect.intent}
    return {**table, "slots": _lists(expect.slots), "never": list(expect.never)}


def row_of(exchange: Exchange) -> dict[str, Any]:
    """A sentence as it stands in floor.toml."""
    expect = exchange.expect
    return {"text": exchange.user, "intent": expect.intent, "slots": _lists(expect.slots)}


def _lists(slots: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: list(wordings) for name, wordings in slots.items()}


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    made = 0
    for fixture, pcms in Author(args.out, args.seed).fixtures():
        author.write(fixture, pcms)
        made += 1
    print(f"{made} fixtures in {args.out}")


if __name__ == "__main__":
    main()
