"""How many held-out turns a model under training would answer word for word, by kind."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import torch
from tokenizers import Tokenizer

from training.creature_llm.chat import END, pieces
from training.creature_llm.model import Llama

SCENE = ("where", "what_at", "anything", "exists", "count", "colour", "is_colour", "describe")
"""Beginnings of the intents that ask about the scene."""

Probe = tuple[list[int], list[tuple[str, int, int]]]
"""Token ids of a dialogue; of each answer its intent, first and last position."""


def encode_turns(tokenizer: Tokenizer, path: Path, number: int) -> list[Probe]:
    """The first dialogues of a corpus file."""
    probes = []
    with path.open(encoding="utf-8") as file:
        for line in list(file)[:number]:
            dialogue = json.loads(line)
            ids: list[int] = []
            spans: list[tuple[str, int, int]] = []
            intents = [t["intent"] for t in dialogue["turns"] if t["spoken"] is None]
            for text, learn in pieces(dialogue):
                piece = tokenizer.encode(text).ids
                if learn and text.endswith(END):
                    spans.append((intents[len(spans)], len(ids), len(ids) + len(piece)))
                ids += piece
            probes.append((ids, spans))
    return probes


@torch.no_grad()
def probe(model: Llama, probes: list[Probe]) -> str:
    """Right turns of all by kind, each token chosen after the right ones before it."""
    right, asked = Counter[str](), Counter[str]()
    for ids, spans in probes:
        best = (model(torch.tensor([ids])) @ model.embed.weight.T)[0].argmax(-1).tolist()
        for intent, first, last in spans:
            kind = next((k for k in SCENE if intent.startswith(k)), "other")
            kind = "where" if kind == "where" and intent == "where_absent" else kind
            asked[kind] += 1
            right[kind] += best[first - 1 : last - 1] == ids[first:last]
    return "  ".join(f"{kind} {right[kind]}/{asked[kind]}" for kind in sorted(asked))
