"""Run by the interpreter of moshi-mlx: prints what `MoshiMlx` does, as JSON, for test_moshi_mlx.

``moshi_mlx_facts.py CONFIG LM MIMI TOKENIZER WAV``
"""

import json
import sys
from pathlib import Path

import numpy as np

from pipelines.duplex.moshi.mlx import MoshiMlx
from pipelines.duplex.moshi.weights.mimi import read_audio
from pipelines.duplex.session.model import ContextEndError
from pipelines.process.engine import EngineError

GREETING = "put the red block on the table"


def run(model, frames, *, seed=0, say_before="", say_at=None):
    with model.open(seed) as session:
        if say_before:
            session.say(say_before)
        steps = []
        for i, frame in enumerate(frames):
            if say_at == i:
                session.say(GREETING)
            steps.append(session.step(frame))
    return steps


def pcm_of(steps):
    return [None if s.pcm is None else s.pcm.tobytes() for s in steps]


def codebook(steps):
    return [s.ids[1:2] for s in steps]


def first_difference(some, others):
    return next(i for i, (a, b) in enumerate(zip(some, others, strict=True)) if a != b)


def main(config, lm, mimi, tokenizer, wav):
    model = MoshiMlx(config=config, lm=lm, mimi=mimi, tokenizer=tokenizer)
    model.load()
    frames = read_audio([Path(wav)], 0.96).reshape(-1, 1920)
    facts = {"frames": len(frames), "wanted": model.vocabulary.encode(GREETING)}

    first = run(model, frames, seed=7, say_before=GREETING)
    facts["greeting_ids"] = [s.ids[0] for s in first]
    facts["greeting_text"] = "".join(s.text for s in first)
    facts["spans"] = [sorted(s.spans) for s in first[:3]]
    facts["shapes"] = [None if s.pcm is None else [*s.pcm.shape, str(s.pcm.dtype)] for s in first]
    facts["ids"] = [len(s.ids) for s in first]
    other = run(model, frames[::-1], seed=8, say_at=2)
    facts["said_ids"] = [s.ids[0] for s in other]
    again = run(model, frames, seed=7, say_before=GREETING)
    facts["same"] = pcm_of(first) == pcm_of(again) and [*first] != []
    facts["same_ids"] = [s.ids for s in first] == [s.ids for s in again]
    facts["other_seed_differs"] = [s.ids for s in run(model, frames[:4], seed=9)] != [
        s.ids for s in run(model, frames[:4], seed=7)
    ]

    # The floor: greedy, one user frame changed; the first output frame that differs.
    model.temperature = model.text_temperature = 0.0
    at = 4
    changed = frames.copy()
    changed[at] = np.random.default_rng(0).standard_normal(1920).astype(np.float32) * 0.3
    plain, other = run(model, frames), run(model, changed)
    facts["floor"] = {
        "sound": first_difference(pcm_of(plain), pcm_of(other)) - at + 1,
        "first_codebook": first_difference(codebook(plain), codebook(other)) - at + 1,
    }

    model.max_steps = 3
    with model.open() as session:
        for frame in frames[:3]:
            session.step(frame)
        try:
            session.step(frames[3])
        except ContextEndError as error:
            facts["context_end"] = str(error)
        try:
            with model.open():
                pass
        except EngineError as error:
            facts["second_session"] = str(error)
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
