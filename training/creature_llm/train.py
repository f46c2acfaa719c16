"""Trains the tokenizer and the model on the corpus; resumes from its last checkpoint."""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from training.creature_llm.chat import SPECIAL, pieces
from training.creature_llm.curriculum import curriculum
from training.creature_llm.model import Llama, Shape
from training.creature_llm.muon import Muon
from training.creature_llm.probe import encode_turns, probe

STEPS = 3600

Example = tuple[list[int], list[int]]
"""Token ids, and the targets: -1 where the model is not asked."""


def train_tokenizer(lines: list[str], vocab: int) -> Tokenizer:
    """A byte-level BPE as GPT-2's, with our four special tokens first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=list(SPECIAL), initial_alphabet=alphabet
    )
    texts = (text for line in lines for text, _ in pieces(json.loads(line)))
    # Without their marks: those are tokens of their own.
    marks = [f"<|{role}|>" for role in ("system", "user", "assistant", "end")]
    tokenizer.train_from_iterator((_strip(text, marks) for text in texts), trainer)
    return tokenizer


def _strip(text: str, marks: list[str]) -> str:
    for mark in marks:
        text = text.replace(mark, "")
    return text


def encode(tokenizer: Tokenizer, lines: list[str]) -> list[Example]:
    """Dialogues as JSON lines → token ids, with targets shifted by one."""
    examples = (encode_one(tokenizer, json.loads(line)) for line in lines)
    return [example for example in examples if any(target >= 0 for target in example[1])]


def encode_one(tokenizer: Tokenizer, dialogue: dict[str, Any]) -> Example:
    """One dialogue; -1 where the model is not asked."""
    ids: list[int] = []
    learn: list[bool] = []
    for text, answer in pieces(dialogue):
        piece = tokenizer.encode(text).ids
        ids += piece
        learn += [answer] * len(piece)
    return ids[:-1], [ids[i + 1] if learn[i + 1] else -1 for i in range(len(ids) - 1)]


def batches(examples: list[Example], tokens: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of about ``tokens`` tokens, of dialogues of like length; seeded.

    Only a few shapes occur (lengths in steps of 16, full batches): every new shape costs the
    CPU library a compilation and memory that it keeps.
    """
    rng = random.Random(seed)
    buckets: dict[int, list[int]] = {}
    for index, (ids, _) in enumerate(examples):
        buckets.setdefault(-(-len(ids) // 16) * 16, []).append(index)
    while True:
        groups: list[tuple[int, list[int]]] = []
        for length, members in sorted(buckets.items()):
            rng.shuffle(members)
            rows = max(1, tokens // length)
            full = range(0, len(members) - rows + 1, rows)
            groups += [(length, members[start : start + rows]) for start in full]
        rng.shuffle(groups)
        for length, group in groups:
            ids = torch.zeros(len(group), length, dtype=torch.long)
            targets = torch.full((len(group), length), -1)
            for row, index in enumerate(group):
                inputs, wanted = examples[index]
                ids[row, : len(inputs)] = torch.tensor(inputs)
                targets[row, : len(wanted)] = torch.tensor(wanted)
            yield ids, targets


def optimizers_for(model: Llama, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices (fewer steps than AdamW alone), AdamW for the rest."""
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if p.dim() < 2 or "embed" in n]
    return [
        Muon(matrices, rate),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def learn(
    model: Llama, optimizers: list[torch.optim.Optimizer], ids: Tensor, targets: Tensor
) -> float:
    """One step of training on one batch; returns its loss."""
    # In float32: a CPU without bfloat16 of its own emulates it at a fraction of the speed.
    loss = model.loss(ids, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss.item()


def schedule(step: int, steps: int, bend: int) -> float:
    """Warm-up, a plateau, and from ``bend`` on a straight way down to nearly nothing."""
    warm = 100
    if step < warm:
        return (step + 1) / warm
    return 1.0 if step < bend else max(0.01, (steps - step) / (steps - bend))


def save(path: Path, **state: Any) -> None:
    """Writes a checkpoint so that a kill in the middle leaves the old one."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def prepare(corpus: Path, out: Path, vocab: int) -> tuple[Tokenizer, list[list[Example]]]:
    """Tokenizer (made once), and the examples of each training file."""
    files = [corpus / "train.jsonl", corpus / "train_look_ups.jsonl"]
    texts = [path.read_text(encoding="utf-8").splitlines() for path in files]
    tokenizer_path = out / "tokenizer.json"
    if not tokenizer_path.exists():
        train_tokenizer(texts[0][:12_000], vocab).save(str(tokenizer_path))
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    return tokenizer, [encode(tokenizer, lines) for lines in texts]


def train(args: argparse.Namespace) -> None:
    """All steps that are still missing; a checkpoint every 250."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer, (mixed, lessons) = prepare(args.corpus, args.out, args.vocab)
    test = encode_turns(tokenizer, args.corpus / "test.jsonl", 60)
    shape = Shape(vocab=tokenizer.get_vocab_size(), layers=args.layers)
    model = Llama(shape)
    optimizers = optimizers_for(model, args.rate)
    checkpoint, start = args.out / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        start = state["step"]
    size = sum(p.numel() for p in model.parameters())
    count = sum(len(ids) for ids, _ in mixed + lessons)
    print(f"{size:,} parameters, {count:,} tokens, step {start} of {args.steps}", flush=True)
    sources = {
        "mixed": batches(mixed, args.tokens, args.seed),
        "lessons": batches(lessons, args.tokens, args.seed),
    }
    plan = curriculum(args.steps, args.seed)
    for name in plan[:start]:
        next(sources[name])
    began, mean = time.monotonic(), 0.0
    for step in range(start, args.steps):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = args.rate * schedule(step, args.steps, int(0.4 * args.steps))
        ids, targets = next(sources[plan[step]])
        loss = learn(model, optimizers, ids, targets)
        mean = loss if step == start else 0.98 * mean + 0.02 * loss
        done = step + 1
        if done % 50 == 0:
            pace = (time.monotonic() - began) / (done - start)
            left = pace * (args.steps - done) / 60
            text = f"step {done}/{args.steps} loss {mean:.4f} {pace:.2f} s/step"
            print(f"{text}, {left:.0f} min left", flush=True)
        if done % 250 == 0 or done == args.steps:
            moments = [optimizer.state_dict() for optimizer in optimizers]
            save(checkpoint, model=model.state_dict(), optimizers=moments, step=done,
                 shape=asdict(shape))  # fmt: skip
            print(probe(model, test), flush=True)


def arguments() -> argparse.ArgumentParser:
    """Options with the committed model's values."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("build/creature"))
    parser.add_argument("--out", type=Path, default=Path("build/creature/run"))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--tokens", type=int, default=3072, help="a batch")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--vocab", type=int, default=1536)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    return parser


if __name__ == "__main__":
    train(arguments().parse_args())
