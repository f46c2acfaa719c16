"""Which adapter serves which model, and presets that are refused with a sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipelines.duplex import build
from pipelines.duplex.adapters import adapter_of
from pipelines.duplex.checks import check, unpaced_frames
from pipelines.duplex.processes import describe
from pipelines.duplex.provide import model_files, provide
from pipelines.duplex.session.options import ModelOptions, ProcessorOptions
from pipelines.errors import SpecError
from pipelines.process import environment
from pipelines.spec import load_spec, parse_spec, preset_names

SCRIPTED = """
title = "x"
architecture = "duplex"
kind = "duplex"
weights = "{weights}"
[audio]
in_rate_hz = 16000
out_rate_hz = {out_rate_hz}
out_10ms_chunks = {chunks}
[model]
id = "{id}"
backend = "{backend}"
"""


def spec_of(**changes: object):
    values = {"weights": "scripted", "out_rate_hz": 24_000, "chunks": 8}
    values |= {"id": "scripted-x", "backend": "scripted"}
    return parse_spec("mine", SCRIPTED.format(**(values | changes)))


@pytest.mark.parametrize(
    ("model_id", "backend", "adapter"),
    [
        ("moshi-tiny", "mlx", "MoshiMlx"),
        ("moshi-7b", "torch", "MoshiTorch"),
        ("moshi-7b", "server", "MoshiServer"),
        ("personaplex-7b", "server", "MoshiServer"),
        ("scripted-86ms", "scripted", "ScriptedDuplex"),
        ("nano-11m", "nano", "NanoDuplex"),
    ],
)
def test_ids_dispatch_by_their_prefix(model_id, backend, adapter):
    model = ModelOptions(model_id, backend=backend, url="ws://localhost:8998")
    assert adapter_of(model).path.endswith(f":{adapter}")


def test_an_unknown_prefix_names_the_known_ones():
    known = "moshi-…, personaplex-…, nano-…, scripted-…"
    wanted = rf"id = 'whale-7b' is of no known family; known: {known}\."
    with pytest.raises(SpecError, match=wanted):
        adapter_of(ModelOptions("whale-7b"))


def test_a_backend_that_can_not_serve_a_model_is_refused():
    with pytest.raises(SpecError, match=r"does not serve 'personaplex-7b': set 'server'\."):
        adapter_of(ModelOptions("personaplex-7b", backend="mlx"))
    with pytest.raises(
        SpecError, match=r"'moshi-tiny': set 'mlx' or 'torch' or 'onnx' or 'server'\."
    ):
        adapter_of(ModelOptions("moshi-tiny", backend="scripted"))
    with pytest.raises(SpecError, match="set url"):
        adapter_of(ModelOptions("moshi-7b", backend="server"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"weights": "trained"}, r"mine.toml: weights = 'trained', but \[model\] has scripted"),
        ({"out_rate_hz": 22_050}, r"\[audio\]: out_rate_hz = 22050 must be 24000"),
        ({"chunks": 3}, r"out_10ms_chunks = 3 must divide"),
        ({"chunks": 0}, r"out_10ms_chunks = 0 must be from 1 to 100 pieces"),
        (
            {"id": "moshi-7b", "backend": "torch", "weights": "synthetic"},
            r"mine.toml \[model\]: precision = 'bf16', but .* 'moshi-7b' are made in q4 alone",
        ),
        (
            {"id": "moshi-3b", "backend": "mlx", "weights": "synthetic"},
            r"id = 'moshi-3b' names no size of synthetic weights: end it in tiny, 100m",
        ),
        ({"id": "oshi"}, r"mine.toml \[model\]: id = 'oshi' is of no known family"),
    ],
)
def test_a_preset_that_would_mislead_is_refused_before_the_run(changes, sentence, monkeypatch):
    monkeypatch.setattr(environment, "ensure", lambda *_: pytest.fail("it was built"))
    with pytest.raises(SpecError, match=sentence):
        provide(spec_of(**changes), lambda _: None)


@pytest.mark.parametrize(
    ("wrong", "bounds"),
    [
        ("queue_frames = 0", "from 1 to 10000 frames"),
        ("frame_timeout_s = 0", "from 0.1 to 600 s"),
        ("unpaced_frames = -1", "from 0 to 100000 frames"),
    ],
)
def test_numbers_of_the_processor_that_make_no_sense_are_refused(wrong, bounds):
    text = SCRIPTED.format(
        weights="scripted", out_rate_hz=24_000, chunks=8, id="scripted-x", backend="scripted"
    )
    with pytest.raises(SpecError, match=rf"mine.toml \[processor\]: {wrong} must be {bounds}\."):
        check(parse_spec("mine", f"{text}\n[processor]\n{wrong}\n"))


@pytest.mark.parametrize("prompt", ["voice_prompt", "text_prompt"])
@pytest.mark.parametrize("backend", ["mlx", "torch"])
def test_a_prompt_that_nobody_would_read_is_refused(prompt, backend):
    text = SCRIPTED.format(
        weights="synthetic", out_rate_hz=24_000, chunks=8, id="moshi-tiny", backend=backend
    )
    with pytest.raises(
        SpecError,
        match=rf"mine.toml \[model\]: {prompt} is set, but backend = '{backend}' takes no prompts",
    ):
        check(parse_spec("mine", f'{text}{prompt} = "You are kind."\n'))


def server_spec():
    text = SCRIPTED.format(
        weights="trained", out_rate_hz=24_000, chunks=8, id="personaplex-7b", backend="server"
    )
    return parse_spec("mine", f'{text}url = "ws://h:1"\ntext_prompt = "You are kind."\n')


async def test_a_server_is_given_no_burst_whatever_the_preset_says(monkeypatch):
    spec, bursts = server_spec(), []
    check(spec)
    assert spec.stages["processor"].unpaced_frames == 125 and unpaced_frames(spec) == 0
    assert unpaced_frames(spec_of()) == 125

    class Process:
        pass

    async def process(spec, models):
        return Process()

    async def burst(process, frames, seed):
        bursts.append(frames)

    monkeypatch.setattr(build, "_process", process)
    monkeypatch.setattr(build, "_run_unpaced", burst)
    await build.prepare(spec, None)
    assert bursts == []
    await build.prepare(spec_of(), None)
    assert bursts == [125]


def test_checking_a_preset_needs_no_pipecat():
    code = "import sys, pipelines.duplex.provide; print('pipecat' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_scripted_preset_needs_nothing_to_be_made():
    told: list[str] = []
    spec = spec_of()
    provide(spec, told.append)
    assert told == [] and model_files(spec) == []


def test_time_limits_follow_the_presets_frame_timeout():
    described = describe(
        ModelOptions("scripted-x", backend="scripted"), ProcessorOptions(frame_timeout_s=4)
    )
    assert described.limits["request_timeout_s"] == 4
    assert described.limits["cancel_grace_s"] == 4
    assert described.interpreter is None


def test_every_shipped_duplex_preset_is_sound():
    duplex = [s for s in map(load_spec, preset_names()) if s.architecture == "duplex"]
    assert {"duplex-scripted-60ms", "duplex-scripted-86ms"} <= {s.name for s in duplex}
    for spec in duplex:
        check(spec)  # with the sizes and precisions that synthetic weights are made in
        assert spec.kind == "duplex"
