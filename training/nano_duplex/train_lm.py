"""Trains the language model in three stages; each resumes from its last checkpoint.

``read``: what the user means and when to speak, as text alone, with an auxiliary CTC of the user's
words. ``speak``: codes of a given text. ``joint``: both, hearing its own spoilt past.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from training.creature_llm.muon import Muon
from training.nano_duplex.checkpoint import keep
from training.nano_duplex.crops import Crops, cut, noisy, spoil, spread_of
from training.nano_duplex.lm import PAD, Lm, LmSizes, parameters_of
from training.nano_duplex.tokens import USER_WORDS, read_all, word_frames

PAD_WEIGHT = 0.5
"""Of the text loss in frames in which nothing is said: nine of ten."""
BOOK_WEIGHTS = (4.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Of the code loss; book 0 says which phone it is."""
SPEECH_SHARE = 0.75
"""Of the frames on which codes are learned."""
CHECKPOINT_S = 120.0
LOG_S = 20.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage learns."""

    text: float
    """Weight of the text loss."""
    ctc: float
    """Weight of the user's words."""
    codes: float
    """Weight of the code loss."""
    hears_user: bool
    hears_itself: bool
    spoil: float
    """Share of its own past that is spoilt, reached after a tenth of the steps."""
    steps: int
    rate: float
    begins_with: tuple[str, ...] = ()
    """Stages whose weights it takes, the first that is there."""
    rows: int = 16
    crop: int = 288
    """Frames of a row."""
    depth_share: float = 0.4
    """Of the frames: on so many codes are learned, see `frames_to_learn`."""
    at_speech: bool = False
    """Whether crops begin shortly before the agent speaks."""


STAGES: dict[str, Stage] = {
    "read": Stage(1.0, 0.3, 0.0, True, False, 0.0, 2000, 1.5e-3),
    "speak": Stage(0.0, 0.0, 1.0, False, True, 0.05, 1500, 1.5e-3, ("read",), 40, 80, 0.7, True),
    "joint": Stage(
        6.0, 0.5, 1.0, True, True, 0.10, 1000, 1.5e-3, ("speak", "read"), depth_share=0.2
    ),
}


@dataclass(frozen=True, slots=True)
class Losses:
    """Of one batch."""

    total: Tensor
    text: float = 0.0
    ctc: float = 0.0
    book_0: float = 0.0
    books: float = 0.0


def losses(lm: Lm, crops: Crops, stage: Stage, own: Tensor, rng: np.random.Generator) -> Losses:
    """All losses of a batch.

    Args:
        lm: The model.
        crops: The batch.
        stage: What counts.
        own: The agent's past codes, perhaps spoilt.
        rng: Chooses the frames on which codes are learned.
    """
    vectors = crops.vectors if stage.hears_user else lm.user_mean.expand_as(crops.vectors)
    codes = own if stage.hears_itself else None
    z, early = lm.temporal(lm.embed(vectors, crops.text_before, codes))
    total = z.new_zeros(())
    told: dict[str, float] = {}
    if stage.text:
        text = _text_loss(lm.text_out(z).float(), crops)
        total, told["text"] = total + stage.text * text, float(text.detach())
    if stage.ctc and lm.ctc_out is not None:
        ctc = _ctc_loss(lm.ctc_out(early).float(), crops)
        total, told["ctc"] = total + stage.ctc * ctc, float(ctc.detach())
    if stage.codes:
        each = _code_losses(lm, z, crops, stage.depth_share, rng)
        weights = each.new_tensor(BOOK_WEIGHTS[: len(each)])
        total = total + stage.codes * (each * weights).sum() / weights.sum()
        told |= {"book_0": float(each[0].detach()), "books": float(each[1:].detach().mean())}
    return Losses(total, **told)


def _text_loss(logits: Tensor, crops: Crops) -> Tensor:
    wanted = crops.text
    each = F.cross_entropy(logits.flatten(0, 1), wanted.flatten().clamp(min=0), reduction="none")
    weights = torch.where(wanted == PAD, PAD_WEIGHT, 1.0) * crops.asked
    return (each * weights.flatten()).sum() / weights.sum().clamp(min=1)


def _ctc_loss(logits: Tensor, crops: Crops) -> Tensor:
    long = (crops.text >= 0).sum(1)
    scores = logits.log_softmax(-1).transpose(0, 1)
    lost = F.ctc_loss(
        scores, crops.words, long, crops.counts, blank=0, reduction="sum", zero_infinity=True
    )
    return lost / crops.counts.sum().clamp(min=1)


def _code_losses(lm: Lm, z: Tensor, crops: Crops, share: float, rng: np.random.Generator) -> Tensor:
    """(books,) cross-entropy over a share of the frames."""
    codes = crops.codes.flatten(0, 1)
    there = codes != lm.none  # not past a dialogue's end; of its first frame, book 0 alone
    chosen = frames_to_learn(crops.speaking.flatten(), there[:, 0], share, rng).to(z.device)
    text = crops.text.flatten()[chosen].clamp(min=0)
    told = codes[chosen]
    wanted = torch.where(there[chosen], told, -1)
    logits = lm.book_logits(z.flatten(0, 1)[chosen], text, told.clamp(max=lm.none - 1)).float()
    each = F.cross_entropy(
        logits.flatten(0, 1), wanted.flatten(), ignore_index=-1, reduction="none"
    )
    return each.view(wanted.shape).sum(0) / (wanted >= 0).sum(0).clamp(min=1)


def frames_to_learn(
    speaking: Tensor, there: Tensor, share: float, rng: np.random.Generator
) -> Tensor:
    """Random frames on which codes are learned: most with speech, and silence too.

    Silence is easily learned, but it has to be: a model that never was told to be silent babbles.

    Args:
        speaking: (n,) bool.
        there: (n,) bool: it has codes.
        share: Of all n, so many.
        rng: Chooses.

    Returns:
        (at most share · n,) indices: `SPEECH_SHARE` of them with speech, where there is so much.
    """
    loud = rng.permutation(torch.nonzero(speaking & there)[:, 0].cpu().numpy())
    still = rng.permutation(torch.nonzero(~speaking & there)[:, 0].cpu().numpy())
    count = int(share * len(speaking))
    few = max(count - len(loud), round((1 - SPEECH_SHARE) * count))
    return torch.from_numpy(np.concatenate((still[:few], loud))[:count])


def optimizers_of(lm: Lm, rate: float, half: bool = False) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices (``half``: in bfloat16), AdamW for the rest."""
    blocks = [p for n, p in lm.named_parameters() if ".qkv" in n or ".out." in n or ".up." in n
              or ".down." in n]  # fmt: skip
    held = {id(p) for p in blocks}
    rest = [p for p in lm.parameters() if id(p) not in held]
    return [
        Muon(blocks, rate, weight_decay=0.05, half=half),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def pace(step: int, steps: int) -> float:
    """Of the rate: warm-up, a plateau, and from 40 % on a straight way down."""
    warm, bend = min(100, steps // 10 + 1), int(0.4 * steps)
    if step < warm:
        return (step + 1) / warm
    return 1.0 if step < bend else max(0.01, (steps - step) / (steps - bend))


def load_lm(path: Path) -> tuple[Lm, dict[str, Any]]:
    """The model of a checkpoint, and the rest of it."""
    state = torch.load(path, weights_only=True, map_location="cpu")
    lm = Lm(LmSizes(**state["sizes"]))
    lm.load_state_dict(state["model"])
    return lm, state


class Trainer:
    """One stage: its data, model and step."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.stage = replace(
            STAGES[args.stage],
            steps=args.steps or STAGES[args.stage].steps,
            rate=args.rate or STAGES[args.stage].rate,
            rows=args.rows or STAGES[args.stage].rows,
            crop=args.crop or STAGES[args.stage].crop,
        )
        self.data = [d for folder in args.tokens for d in read_all(folder / "train", packed=True)]
        self.valid = read_all(args.tokens[0] / "valid")
        self.mean, self.spread = spread_of(self.data)
        self.path = args.out / f"{args.stage}.pt"
        words = (args.vocabulary).read_text(encoding="utf-8").split()
        self.words = len(words)
        self.done: list[str] = []
        self.lm, self.began_with = self._model()
        self.lm.to(args.device)
        self.optimizers = optimizers_of(self.lm, self.stage.rate, args.bf16)
        self.step = 0
        if self.path.exists():
            self._resume()

    def _model(self) -> tuple[Lm, str]:
        """A fresh one, or that of an earlier stage."""
        for name in (self.args.begin,) if self.args.begin else self.stage.begins_with:
            earlier = Path(name) if name.endswith(".pt") else self.args.out / f"{name}.pt"
            if earlier.exists():
                lm, state = load_lm(earlier)
                self.done = list(state["done"])
                if "read" not in self.done:  # it never heard anybody: the ear may be another
                    lm.standardise(self.mean, self.spread)
                return lm, str(earlier)
        torch.manual_seed(self.args.seed)
        heard = (self.args.tokens[0] / USER_WORDS).read_text(encoding="utf-8").split()
        width = self.data[0].vectors.shape[1]
        lm = Lm(LmSizes(words=self.words + 3, vector=width, user_words=len(heard)))
        lm.standardise(self.mean, self.spread)
        return lm, "random weights"

    def _resume(self) -> None:
        self.lm, state = load_lm(self.path)
        self.lm.to(self.args.device)
        self.optimizers = optimizers_of(self.lm, self.stage.rate, self.args.bf16)
        for optimizer, held in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(held)
        self.step, self.done = int(state["step"]), list(state["done"])

    def keep(self) -> None:
        """Writes the checkpoint; a stage that ran to its end is done."""
        if self.step >= self.stage.steps and self.args.stage not in self.done:
            self.done.append(self.args.stage)
        state = dict(
            model=self.lm.state_dict(),
            sizes=asdict(self.lm.sizes),
            optimizers=[o.state_dict() for o in self.optimizers],
            step=self.step,
            steps=self.stage.steps,
            seed=self.args.seed,
            stage=self.args.stage,
            done=self.done,
            word_frames=word_frames(self.data, self.words),
        )
        keep(self.path, state)

    def learn(self) -> Losses:
        """One step."""
        args, none = self.args, self.lm.none
        rng = np.random.default_rng((args.seed, self.step))
        stage = self.stage
        crops = cut(self.data, stage.rows, stage.crop, rng, none, stage.at_speech)
        crops = replace(crops, vectors=noisy(crops.vectors, self.spread, rng))
        rate = stage.spoil * min(1.0, self.step / (0.1 * stage.steps))
        own = spoil(crops, rate, rng, none)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = stage.rate * pace(self.step, stage.steps)
        crops, own = crops.to(args.device), own.to(args.device)
        with torch.autocast(args.device, torch.bfloat16, enabled=args.bf16):
            found = losses(self.lm, crops, stage, own, rng)
        found.total.backward()
        torch.nn.utils.clip_grad_norm_(self.lm.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return found

    @torch.no_grad()
    def look(self, batches: int = 4) -> str:
        """Losses on held-out dialogues, always the same ones."""
        found = []
        for index in range(batches):
            rng = np.random.default_rng((1, index))
            stage = self.stage
            crops = cut(self.valid, stage.rows, stage.crop, rng, self.lm.none, stage.at_speech)
            crops = crops.to(self.args.device)
            with torch.autocast(self.args.device, torch.bfloat16, enabled=self.args.bf16):
                found.append(losses(self.lm, crops, stage, crops.codes_before, rng))
        return told_of(found)

    def run(self) -> None:
        """All steps that are still missing."""
        args, stage = self.args, self.stage
        frames = stage.rows * stage.crop
        hours = sum(map(len, self.data)) / 12.5 / 3600
        print(
            f"{args.stage}: {parameters_of(self.lm):,} parameters from {self.began_with}, "
            f"{hours:.1f} h of dialogues, step {self.step} of {stage.steps} at {frames} frames",
            flush=True,
        )
        began, first = time.monotonic(), self.step
        kept = logged = began
        recent: list[Losses] = []
        while self.step < stage.steps:
            recent.append(self.learn())
            now = time.monotonic()
            if now - logged > LOG_S or self.step == stage.steps:
                each_s = (now - began) / (self.step - first)
                left_h = each_s * (stage.steps - self.step) / 3600
                print(
                    f"{args.stage} {self.step}/{stage.steps} {told_of(recent)} · "
                    f"{frames / each_s:.0f} frames/s, {left_h:.2f} h left",
                    flush=True,
                )
                recent, logged = [], now
            if now - kept > CHECKPOINT_S or self.step == stage.steps:
                self.keep()
                print(f"{args.stage} {self.step} held out: {self.look()}", flush=True)
                kept = time.monotonic()


def told_of(found: list[Losses]) -> str:
    """Means of those losses that were counted."""
    names = ("text", "ctc", "book_0", "books")
    means = {name: float(np.mean([getattr(one, name) for one in found])) for name in names}
    return " ".join(f"{name} {value:.3f}" for name, value in means.items() if value)


def arguments() -> argparse.ArgumentParser:
    """Options of a stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument(
        "--tokens", type=Path, nargs="+", default=[Path("build/nano/tokens")],
        help="folders of encoded dialogues; held-out ones are the first's",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("build/nano/lm"))
    parser.add_argument(
        "--vocabulary", type=Path, default=Path(__file__).with_name("vocabulary.txt")
    )
    parser.add_argument("--begin", default="", help="checkpoint to begin with; random: none")
    parser.add_argument("--steps", type=int, default=0, help="0: the stage's own")
    parser.add_argument("--rate", type=float, default=0.0, help="0: the stage's own")
    parser.add_argument("--rows", type=int, default=0, help="of a batch; 0: the stage's own")
    parser.add_argument("--crop", type=int, default=0, help="frames of a row; 0: the stage's own")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="multiply in bfloat16: AMX, a GPU")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=device, help="cpu or cuda")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    args = arguments().parse_args(argv)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    Trainer(args).run()
