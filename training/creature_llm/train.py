"""Trains the tokenizer and the model on the corpus; resumes from its last checkpoint.

Three stages (``STAGES``): copying, then look-ups, then dialogues with some of both.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from training.creature_llm.chat import SPECIAL, pieces
from training.creature_llm.corpus import allowed
from training.creature_llm.lessons import Example, copies, look_ups
from training.creature_llm.model import Llama, Shape

STAGES = ((200, (1.0, 0.0, 0.0)), (700, (0.2, 0.8, 0.0)), (10**9, (0.05, 0.15, 0.8)))
"""Up to which step, and the shares of copies, look-ups and dialogues."""


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
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=0.0)]


def learn(
    model: Llama, optimizers: list[torch.optim.Optimizer], ids: Tensor, targets: Tensor
) -> float:
    """One step of training on one batch; returns its loss."""
    # Where the CPU has no bfloat16 of its own, emulating it takes a hundred times as long.
    native = torch.cpu._is_avx512_bf16_supported()  # type: ignore[attr-defined]
    with torch.autocast("cpu", torch.bfloat16, enabled=native):
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


def prepare(corpus: Path, out: Path, vocab: int) -> tuple[Tokenizer, dict[str, list[Example]]]:
    """Tokenizer (made once) and examples."""
    names = {"look_ups": "train_look_ups.jsonl", "dialogues": "train.jsonl"}
    lines = {
        name: (corpus / file).read_text(encoding="utf-8").splitlines()
        for name, file in names.items()
    }
    path = out / "tokenizer.json"
    if not path.exists():
        tokenizer = train_tokenizer(lines["dialogues"][:15_000] + lines["look_ups"][:3000], vocab)
        tokenizer.save(str(path))
    tokenizer = Tokenizer.from_file(str(path))
    return tokenizer, {name: encode(tokenizer, texts) for name, texts in lines.items()}


def stream(
    examples: dict[str, list[Example]], vocab: int, tokens: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches, each of one kind, in the shares of the stage."""
    drawn = list(islice(copies(f"{seed}-copies", len(SPECIAL), vocab), 20_000))
    kinds = (drawn, examples["look_ups"], examples["dialogues"])
    sources = [batches(kind, tokens, seed) for kind in kinds]
    rng, step = random.Random(f"{seed}-kinds"), 0
    while True:
        shares = next(shares for end, shares in STAGES if step < end)
        yield next(rng.choices(sources, weights=shares)[0])
        step += 1


def watched(model: Llama, tokenizer: Tokenizer, dialogues: list[dict[str, Any]]) -> str:
    """How many answers would be right word for word (given their own beginning), by intent."""
    right, asked = Counter[str](), Counter[str]()
    for dialogue in dialogues:
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        for text, answer in pieces(dialogue):
            piece = tokenizer.encode(text).ids
            if answer:
                spans.append((len(ids), len(ids) + len(piece)))
            ids += piece
        with torch.no_grad():
            best = (model(torch.tensor([ids])) @ model.embed.weight.T).argmax(-1)[0].tolist()
        for (start, end), turn in zip(spans, dialogue["turns"], strict=True):
            asked[turn["intent"]] += 1
            right[turn["intent"]] += best[start - 1 : end - 1] == ids[start:end]
    kinds = " ".join(f"{name} {right[name]}/{asked[name]}" for name in sorted(asked))
    return f"look-ups {right.total()}/{asked.total()}: {kinds}"


def train(
    corpus: Path, out: Path, seed: int, steps: int, tokens: int = 3072, rate: float = 2e-3
) -> None:
    """Trains for ``steps`` steps of ``tokens`` tokens, from the checkpoint in ``out`` if any."""
    torch.set_num_threads(2)
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer, examples = prepare(corpus, out, Shape().vocab)
    shape = Shape(vocab=tokenizer.get_vocab_size())
    model = Llama(shape)
    optimizers = optimizers_for(model, rate)
    checkpoint, start = out / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        start = state["step"]
    size = sum(p.numel() for p in model.parameters())
    print(f"{size:,} parameters, step {start} of {steps}", flush=True)
    watch = [asdict(d) for d in islice(allowed(look_ups(f"{seed}-watch")), 40)]
    source = islice(stream(examples, shape.vocab, tokens, seed), start, steps)
    began, mean = time.monotonic(), 0.0
    for done, (ids, targets) in enumerate(source, start + 1):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * schedule(done - 1, steps, int(0.4 * steps))
        loss = learn(model, optimizers, ids, targets)
        mean = loss if done == start + 1 else 0.95 * mean + 0.05 * loss
        if done % 25 == 0:
            pace = (time.monotonic() - began) / (done - start)
            left = pace * (steps - done) / 60
            print(f"step {done}/{steps} loss {mean:.4f} {pace:.2f} s/step, {left:.0f} min left",
                  flush=True)  # fmt: skip
        if done % 100 == 0 and done > STAGES[0][0]:
            print(watched(model, tokenizer, watch), flush=True)
        if done % 100 == 0 or done == steps:
            moments = [optimizer.state_dict() for optimizer in optimizers]
            save(checkpoint, model=model.state_dict(), optimizers=moments, step=done,
                 shape=asdict(shape))  # fmt: skip
