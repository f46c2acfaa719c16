"""Asks the finished GGUF: held-out dialogues by exact answers, free sentences by the judge.

Runs through xllamacpp, as the pipelines do, so that template, tokenizer and quantisation are
tested with the weights. Every turn is asked with the right turns before it.
"""

from __future__ import annotations

import argparse
import json
import tomllib
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.store.expectation import Expectation, judge
from training.creature_llm.chat import messages
from training.creature_llm.corpus import ROOT
from training.creature_llm.language import HERE

MODEL = ROOT / "pipelines" / "models" / "creature" / "creature-3m-q8_0.gguf"
Message = Mapping[str, str]


class Creature:
    """The model behind its chat template, greedy."""

    def __init__(self, path: Path = MODEL, threads: int = 1, template: str = "") -> None:
        """Loads a file; a template takes the place of its own."""
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.warmup = 1024, 1, False
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        if template:
            params.chat_template, params.use_jinja = template, True
        self._server = xllamacpp.Server(params)

    def prompt(self, chat: Sequence[Message]) -> str:
        """The text that the engine makes of a conversation by its template."""
        url = f"{self._server.listening_address}/apply-template"
        data = json.dumps({"messages": list(chat)}).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return str(json.load(reply)["prompt"])

    def answer(self, chat: Sequence[Message], max_tokens: int = 120) -> str:
        """The answer to a conversation that ends with a user turn."""
        request = {"messages": list(chat), "temperature": 0.0, "max_tokens": max_tokens}
        parts: list[str] = []

        def take(chunk: Any) -> bool:
            for piece in chunk if isinstance(chunk, list) else [chunk]:
                if "choices" not in piece:
                    raise RuntimeError(f"the engine answered {piece!r}")
                choice = piece["choices"][0]
                part = choice.get("delta") or choice.get("message") or {}
                parts.append(part.get("content") or "")
            return False

        self._server.handle_chat_completions(request, take)
        return "".join(parts)


@dataclass
class Score:
    """How many were right, by group."""

    right: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, group: str, right: bool, failure: str) -> None:
        """Counts one answer."""
        self.asked[group] += 1
        self.right[group] += right
        if not right:
            self.failures.append(failure)

    @property
    def share(self) -> float:
        """Right ones of all; nan where nothing was asked."""
        total = self.asked.total()
        return self.right.total() / total if total else float("nan")

    def line(self, title: str) -> str:
        """One line for the log and the model card."""
        return f"{title}: {self.right.total()}/{self.asked.total()} = {100 * self.share:.1f} %"

    def table(self) -> str:
        """Per group, the worst first."""
        rows = sorted(self.asked, key=lambda g: (self.right[g] / self.asked[g], g))
        return "\n".join(f"  {self.right[g]:4d}/{self.asked[g]:<4d} {g}" for g in rows)


def exact(
    creature: Creature,
    dialogues: Iterable[Mapping[str, Any]],
    seen: frozenset[str] = frozenset(),
) -> tuple[Score, Score, Score]:
    """Held-out dialogues, word for word: (per turn, per whole dialogue, new sentences).

    The last counts the turns whose sentence is not in ``seen``, the training's sentences.
    """
    turns, whole, new = Score(), Score(), Score()
    for dialogue in dialogues:
        all_right = True
        for number, turn in enumerate(dialogue["turns"]):
            said = creature.answer(messages(dialogue, number))
            right = said == turn["agent"]
            all_right &= right
            failure = (
                f"[{turn['intent']}] {turn['user']}\n    said   {said}\n    wanted {turn['agent']}"
            )
            turns.add(turn["intent"], right, failure)
            if turn["user"] not in seen:
                new.add(turn["intent"], right, failure)
        whole.add("dialogue", all_right, "")
    return turns, whole, new


def free_sentences() -> list[dict[str, Any]]:
    """The hand-written sentences, each with its scene."""
    table = tomllib.loads((HERE / "free_sentences.toml").read_text(encoding="utf-8"))
    return [{"scene": table["scene"], **entry} for entry in table["sentence"]]


def free_messages(entry: Mapping[str, Any]) -> list[dict[str, str]]:
    """The conversation up to a free sentence."""
    chat = [{"role": "system", "content": entry["scene"]}]
    for turn in entry.get("history", ()):
        chat.append({"role": "user", "content": turn["user"]})
        chat.append({"role": "assistant", "content": turn["agent"]})
    return [*chat, {"role": "user", "content": entry["text"]}]


def judged(creature: Creature, entries: Iterable[Mapping[str, Any]]) -> Score:
    """Free sentences: right where the answer names every slot."""
    score = Score()
    for entry in entries:
        expected = Expectation.from_table(entry["expect"])
        said = creature.answer(free_messages(entry))
        verdict = judge(expected, said)
        why = f"missing {verdict.missing} forbidden {verdict.forbidden}"
        failure = f"[{expected.intent}] {entry['text']}\n    said   {said}\n    {why}"
        score.add(expected.intent, verdict.right, failure)
    return score


def read_dialogues(path: Path, limit: int | None = None) -> list[dict[str, Any]]:
    """Dialogues of a corpus file."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file][:limit]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--corpus", type=Path, default=ROOT / "build" / "creature")
    parser.add_argument("--limit", type=int, help="dialogues a file")
    parser.add_argument("--failures", type=int, default=40, help="how many to print a group")
    parser.add_argument("--no-free", action="store_true", help="leave the free sentences alone")
    args = parser.parse_args()
    creature = Creature(args.model)
    training = [d for path in args.corpus.glob("train*.jsonl") for d in read_dialogues(path)]
    seen = frozenset(turn["user"] for dialogue in training for turn in dialogue["turns"])
    for name in ("test.jsonl", "test_pairs.jsonl"):
        dialogues = read_dialogues(args.corpus / name, args.limit)
        turns, whole, new = exact(creature, dialogues, seen)
        print(*turns.failures[: args.failures], sep="\n")
        print(turns.table())
        print(turns.line(f"{name} turns, exact"))
        print(new.line(f"{name} turns with a sentence that training has not, exact"))
        print(whole.line(f"{name} whole dialogues, exact"))
    if not args.no_free:
        score = judged(creature, free_sentences())
        print(*score.failures[: args.failures], sep="\n")
        print(score.table())
        print(score.line("free sentences, judged"))


if __name__ == "__main__":
    main()
