"""Makes the data on disk: single utterances for the codec, dialogues for the language model.

    python -m training.nano_duplex.corpus codec --out build/nano/data
    python -m training.nano_duplex.corpus dialogues --out build/nano/data --hours 20

Seeded by shard: the same command gives the same shards, those on disk are kept, and more hours only
add some. flite 2.2 is needed; the shards lie as ``codec/train/000.npz`` and so on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.nano_duplex.dialogue import Dialogue
from training.nano_duplex.language import NanoLanguage
from training.nano_duplex.simulate import Simulator
from training.nano_duplex.speech import FRAME, HOP, RATE_HZ, Utterance, as_int16, speak
from training.nano_duplex.voices import AGENT, Voice, draw_user

OUT = Path("build/nano/data")
SEED = 7
HOURS = 20.0
SHARD_S = 300
"""Audio of a shard."""
USER, AGENT_ROLE = 0, 1
PHONES = (
    "-", "pau", "aa", "ae", "ah", "ao", "aw", "ax", "ay", "b", "ch", "d", "dh", "eh", "er", "ey",
    "f", "g", "hh", "ih", "iy", "jh", "k", "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh",
    "t", "th", "uh", "uw", "v", "w", "y", "z", "zh",
)  # fmt: skip
"""Phone labels by id: 0 is unknown, 1 silence."""
_PHONE_ID = {name: i for i, name in enumerate(PHONES)}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the codec's corpus."""

    split: str
    """train, valid or heldout: the folder."""
    role: int
    """Whose speech it is."""
    hours: float
    held_sentences: bool
    """Whether its sentences are those that training never sees."""
    held_voices: bool
    """Whether its voices are those that training never hears."""


@dataclass(frozen=True, slots=True)
class Split:
    """A part of the dialogues."""

    name: str
    """The folder."""
    hours: float
    """0: as many as are asked for."""
    held_sentences: bool
    """Whether its sentences are those that training never sees."""
    held_voices: bool
    """Whether its voices are those that training never hears."""


CODEC = (
    Part("train", USER, 5.0, False, False),
    Part("train", AGENT_ROLE, 2.0, False, False),
    Part("valid", USER, 0.25, True, False),
    Part("valid", AGENT_ROLE, 0.25, True, False),
    Part("heldout", USER, 0.25, True, True),
)
DIALOGUES = (
    Split("valid", 0.25, True, False),
    Split("heldout", 0.25, True, True),
    Split("train", 0.0, False, False),
)


def utterances(rng: random.Random, part: Part) -> Iterator[tuple[str, Voice]]:
    """What is said by whom, without end."""
    language = NanoLanguage(rng, held_out=part.held_sentences, sealed=False)
    while True:
        draw = rng.random()
        if part.role == AGENT_ROLE:
            said = language.exchange(long=draw < 0.15)
            yield said.agent, AGENT
        elif draw < 0.06:
            yield language.backchannel(), draw_user(rng, part.held_voices)
        else:
            said = language.side_talk() if draw < 0.10 else language.exchange()
            yield said.user, draw_user(rng, part.held_voices)


def codec_shard(path: Path, part: Part, seed: str, cache: Path | None = None) -> float:
    """Writes one shard of single utterances; returns its seconds."""
    rng = random.Random(seed)
    pcms: list[NDArray[np.int16]] = []
    phones: list[NDArray[np.uint8]] = []
    texts: list[str] = []
    voices: list[str] = []
    known: set[str] = set()
    samples = 0
    for text, voice in utterances(rng, part):
        repeated = part.role == AGENT_ROLE and text in known
        if repeated and rng.random() < 0.9:  # short answers that are always the same
            continue
        try:
            said = speak(text, voice, cache if voice == AGENT else None)
        except ValueError:
            continue  # a sentence of which this voice's words can't be told
        known.add(text)
        pcm, labels = framed(said, part.role, rng)
        pcms.append(pcm)
        phones.append(labels)
        texts.append(text)
        voices.append(voice.key)
        samples += pcm.size
        if samples >= SHARD_S * RATE_HZ:
            break
    save(
        path,
        pcm=np.concatenate(pcms),
        offsets=np.cumsum([0, *(pcm.size for pcm in pcms)]),
        phones=np.concatenate(phones),
        role=np.full(len(pcms), part.role, np.uint8),
        text=np.array(texts),
        voice=np.array(voices),
    )
    return samples / RATE_HZ


def framed(
    said: Utterance, role: int, rng: random.Random
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """An utterance between silences, in whole frames, with a phone for each hop.

    The agent's begins on a frame, at one level; a user's anywhere, louder or softer.
    """
    lead = FRAME * rng.randint(1, 4) if role == AGENT_ROLE else rng.randrange(5 * FRAME)
    tail = rng.randint(2, 5) * FRAME
    size = -(-(lead + said.pcm.size + tail) // FRAME) * FRAME
    db = 0.0 if role == AGENT_ROLE else rng.uniform(-10.0, 4.0)
    pcm = np.zeros(size, np.float32)
    pcm[lead : lead + said.pcm.size] = said.pcm * 10 ** (db / 20)
    return as_int16(pcm), phone_hops(said, lead, size)


def phone_hops(said: Utterance, lead: int, size: int) -> NDArray[np.uint8]:
    """(size / HOP,) the phone in the middle of each hop."""
    starts = np.array([start + lead for _, start, _ in said.phones])
    ids = np.array([_PHONE_ID.get(name or "-", 0) for name, _, _ in said.phones], np.uint8)
    middles = np.arange(size // HOP) * HOP + HOP // 2
    at = np.searchsorted(starts, middles, side="right") - 1
    inside = (at >= 0) & (middles < said.end + lead)
    return np.where(inside, ids[at], _PHONE_ID["pau"]).astype(np.uint8)


def save(path: Path, **arrays: NDArray[Any]) -> None:
    """Writes a shard, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    np.savez(half, **arrays)  # type: ignore[arg-type]  # numpy's stub takes them for options
    half.replace(path)


Job = Callable[[], float]
"""Writes a shard; returns its seconds of audio."""


def codec_jobs(out: Path, seed: int) -> dict[Path, Job]:
    """The shards of the codec's corpus, each with what makes it; users and agent alternate."""
    jobs: dict[Path, Job] = {}
    for split in ("valid", "heldout", "train"):
        parts = [part for part in CODEC if part.split == split]
        counts = [max(1, round(part.hours * 3600 / SHARD_S)) for part in parts]
        order = _spread(parts, counts)
        for i, part in enumerate(order):
            path = out / "codec" / split / f"{i:03d}.npz"
            name = f"{seed}-codec-{split}-{i}"
            jobs[path] = partial(codec_shard, path, part, name, out / "cache")
    return jobs


def _spread(parts: Sequence[Part], counts: Sequence[int]) -> list[Part]:
    """Each part so many times, evenly mixed."""
    places = [((i + 0.5) / count, k) for k, count in enumerate(counts) for i in range(count)]
    return [parts[k] for _, k in sorted(places)]


def dialogue_shard(path: Path, split: Split, seed: str, cache: Path | None = None) -> float:
    """Writes one shard of dialogues; returns its seconds."""
    simulator = Simulator(
        random.Random(seed),
        held_sentences=split.held_sentences,
        held_voices=split.held_voices,
        cache=cache,
    )
    made: list[Dialogue] = []
    frames = 0
    while frames * FRAME < SHARD_S * RATE_HZ:
        made.append(simulator.dialogue())
        frames += made[-1].text.size
    save(
        path,
        user=np.concatenate([d.user for d in made]),
        agent=np.concatenate([d.agent for d in made]),
        text=np.concatenate([d.text for d in made]),
        offsets=np.cumsum([0, *(d.text.size for d in made)]),
        record=np.array([json.dumps(d.record()) for d in made]),
    )
    return frames * FRAME / RATE_HZ


def dialogue_jobs(out: Path, seed: int, hours: float) -> dict[Path, Job]:
    """The shards of dialogues; the test splits come first."""
    jobs: dict[Path, Job] = {}
    for split in DIALOGUES:
        shards = max(1, round((split.hours or hours) * 3600 / SHARD_S))
        for i in range(shards):
            path = out / "dialogues" / split.name / f"{i:03d}.npz"
            name = f"{seed}-dialogues-{split.name}-{i}"
            jobs[path] = partial(dialogue_shard, path, split, name, out / "cache")
    return jobs


def make(jobs: Mapping[Path, Job], workers: int) -> None:
    """Makes the shards that are not there yet, and says how far it is."""
    todo = {path: job for path, job in jobs.items() if not path.exists()}
    print(f"{len(jobs)} shards, {len(jobs) - len(todo)} there already", flush=True)
    began, seconds = time.monotonic(), 0.0
    if not todo:
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for i, made in enumerate(pool.imap_unordered(_run, todo.values()), 1):
            seconds += made
            took = time.monotonic() - began
            left = took / i * (len(todo) - i)
            print(
                f"{i}/{len(todo)} shards, {seconds / 3600:.2f} h of audio in {took / 60:.1f} min, "
                f"{left / 60:.0f} min left",
                file=sys.stderr,
                flush=True,
            )


def _run(job: Job) -> float:
    return job()


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("codec", "dialogues"))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--hours", type=float, default=HOURS, help="of dialogues to train on")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "phones.txt").write_text("\n".join(PHONES) + "\n", encoding="utf-8")
    if args.part == "codec":
        jobs = codec_jobs(args.out, args.seed)
    else:
        jobs = dialogue_jobs(args.out, args.seed, args.hours)
    make(jobs, args.workers)


if __name__ == "__main__":
    main()
