"""Run by the engine environment's Python: what `test_moshi_torch` asserts, as one line of JSON."""

import json
import sys
import threading
import time
from typing import Any

import numpy as np

from bench.probes.algorithmic_latency import Said, measure
from pipelines.duplex.moshi.torch import MoshiTorch
from pipelines.duplex.session.model import ContextEndError
from pipelines.duplex.session.warmth import like_speech

FRAMES = 6
TEXT = "how are you?"
files = json.loads(sys.argv[1])


def converse(model, seed=0, frames=None, say=""):
    with model.open(seed) as session:
        if say:
            session.say(say)
        return [session.step(pcm) for pcm in frames or like_speech(FRAMES)]


def same(one, other):
    pairs = list(zip(one, other, strict=True))
    return all(
        p.ids == q.ids and (p.pcm is None) == (q.pcm is None) and np.array_equal(p.pcm, q.pcm)
        if p.pcm is not None
        else q.pcm is None
        for p, q in pairs
    )


found: dict[str, Any] = {}
model = MoshiTorch(**files)
model.load()
first = converse(model, seed=3)
found["no_audio_in_steps"] = [i for i, step in enumerate(first) if step.pcm is None]
found["shapes"] = sorted({step.pcm.shape for step in first if step.pcm is not None})
found["same_seed"] = same(first, converse(model, seed=3))
found["other_seed"] = same(first, converse(model, seed=4))
said = converse(model, seed=3, say=TEXT)
found["wanted"] = model.text_stream()._vocabulary.encode(TEXT)
found["forced"] = [(i, step.ids[0]) for i, step in enumerate(said) if step.forced]
found["forced_text"] = "".join(step.text for step in said if step.forced)
found["after_say"] = same(first, converse(model, seed=3))

gen = model._core._gen  # without CUDA graphs the temperatures are read at every step
gen.temp = gen.temp_text = 0.0


def run(frames):
    with model.open() as session:
        for pcm in frames:
            step = session.step(pcm)
            yield Said(step.pcm, step.ids[1:])


floor = measure(run, positions=2, acoustic_frames=1)
found["floor"] = [floor.ms, floor.detail_frames, [n for _, n in floor.derivation()]]
model._context = 2
with model.open() as session:
    try:
        for pcm in like_speech(3):
            session.step(pcm)
    except ContextEndError as error:
        found["context_end"] = str(error)

pair = MoshiTorch(**files, temperature=0.0, text_temperature=0.0, batch=2, deadline_s=0.05)
pair.load()
codes = [[model._core.encode(f[None]) for f in like_speech(FRAMES, seed=s)] for s in (1, 2)]
model._core.reset()
torch = model._core._torch
single = []
for mine in codes:
    single.append([model._core.advance(c)[1][0] for c in mine])
    model._core.reset()
both = [pair._core.advance(torch.cat(c))[1] for c in zip(*codes, strict=True)]
found["batch_of_two_is_two_singles"] = [list(x) for x in zip(*both, strict=True)] == single

voices = [like_speech(FRAMES, seed=1), like_speech(FRAMES, seed=2)]
with pair.open():  # row 0, whose frames never come
    alone = converse(pair, frames=voices[1])
together: dict[int, Any] = {}
joined = threading.Barrier(2)


def talk(k):
    with pair.open() as session:
        joined.wait()
        if k == 0:  # one of them is in no hurry
            together[k] = [session.step(pcm) for pcm in voices[k][:3]]
        else:
            together[k] = [session.step(pcm) for pcm in voices[k]]


threads = []
for k in (0, 1):
    threads.append(threading.Thread(target=talk, args=(k,)))
    threads[-1].start()
    while pair._rows is not None and len(pair._rows._open) <= k:
        time.sleep(0.01)  # rows are given in the order of joining
for thread in threads:
    thread.join()
found["together_as_alone"] = same(alone, together[1])
print(json.dumps(found))
