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
from training.creature_llm.dialogue import Dialogue
from training.creature_llm.model import Llama, Shape

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


def encode_all(tokenizer: Tokenizer, dialogues: list[Dialogue]) -> list[Example]:
    """The same of dialogues in memory."""
    return encode(tokenizer, [json.dumps(asdict(dialogue)) for dialogue in dialogues])


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
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=0.0)]


def learn(
    model: Llama, optimizers: list[torch.optim.Optimizer], ids: Tensor, targets: Tensor
) -> float:
    """One step of training on one batch; returns its loss."""
    with torch.autocast("cpu", torch.bfloat16):
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


def prepare(args: argparse.Namespace) -> tuple[Tokenizer, list[Example]]:
    """Tokenizer (made once) and examples."""
    files = sorted(args.corpus.glob("train*.jsonl"))
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    tokenizer_path = args.out / "tokenizer.json"
    if not tokenizer_path.exists():
        train_tokenizer(lines[:20_000], args.vocab).save(str(tokenizer_path))
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    return tokenizer, encode(tokenizer, lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("build/creature"))
    parser.add_argument("--out", type=Path, default=Path("build/creature/run"))
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--stop", type=int, help="end here, the schedule as for all steps")
    parser.add_argument("--tokens", type=int, default=3072, help="a batch")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--muon", type=float, default=1.0, help="Muon's rate over AdamW's")
    parser.add_argument("--bend", type=int, help="step from which the rate falls (0.4 of all)")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--vocab", type=int, default=1536)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer, examples = prepare(args)
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
    count = sum(len(ids) for ids, _ in examples)
    print(f"{size:,} parameters, {len(examples):,} dialogues, {count:,} tokens, step {start}")
    stream = batches(examples, args.tokens, args.seed)
    for _ in range(start):
        next(stream)
    for optimizer, scale in zip(optimizers, (args.muon, 1.0), strict=True):
        for group in optimizer.param_groups:
            group["base"] = scale * args.rate
    bend = args.bend if args.bend is not None else int(0.4 * args.steps)
    began, mean = time.monotonic(), 0.0
    last = args.stop or args.steps
    for step in range(start, last):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["base"] * schedule(step, args.steps, bend)
        ids, targets = next(stream)
        loss = learn(model, optimizers, ids, targets)
        mean = loss if step == start else 0.98 * mean + 0.02 * loss
        done = step + 1
        if done % 50 == 0:
            pace = (time.monotonic() - began) / (done - start)
            left = pace * (args.steps - done) / 60
            text = (
                f"step {done}/{args.steps} loss {mean:.4f} {pace:.2f} s/step, {left:.0f} min left"
            )
            print(text, flush=True)
        if done % 250 == 0 or done == last:
            moments = [optimizer.state_dict() for optimizer in optimizers]
            save(checkpoint, model=model.state_dict(), optimizers=moments, step=done,
                 shape=asdict(shape))  # fmt: skip


if __name__ == "__main__":
    main()
