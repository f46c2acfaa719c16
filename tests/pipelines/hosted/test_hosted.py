"""Hosted services: refused with the exact reason without a key, and spoken to through doubles."""

import asyncio

import numpy as np
import pytest
from pipecat.frames.frames import (
    InputAudioRawFrame,
    LLMContextFrame,
    LLMTextFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner

from pipelines.errors import SpecError
from pipelines.hosted import services
from pipelines.hosted.build import FirstContext, make_service, provide
from pipelines.hosted.doubles import ANSWER, SAID, TONE_S, double
from pipelines.hosted.options import ServiceOptions
from pipelines.hosted.services import SERVICES, missing_of
from pipelines.secrets import redact
from pipelines.spec import load_spec, parse_spec, preset_names

KEY = "sk-test-0123456789"
HOSTED = [name for name in preset_names() if name.startswith("hosted-")]
SPOKEN_TO = sorted(s.name for s in SERVICES.values() if s.tested == "protocol fake")
HEAD = 'title = "t"\narchitecture = "hosted"\nkind = "cascade"\nweights = "trained"\n'


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for service in SERVICES.values():
        for variable in service.environment.values():
            monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("name", HOSTED)
def test_without_a_key_a_hosted_preset_is_refused_and_names_the_variable(name):
    spec = load_spec(name)
    with pytest.raises(SpecError, match=f"Preset {name} can't run here: .*_API_KEY") as error:
        provide(spec, print)
    assert "\n" not in str(error.value)


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    monkeypatch.setattr(services, "_there", lambda module: module != "google.genai")
    assert missing_of(load_spec("hosted-gemini-live")) == [
        "gemini-live needs the package google.genai, which is not installed: "
        "pip install 'pipecat-ai[google]==1.14.0'."
    ]


def test_with_its_keys_a_hosted_preset_lacks_nothing(monkeypatch):
    monkeypatch.setenv("AZURE_REALTIME_API_KEY", KEY)
    assert missing_of(load_spec("hosted-azure-realtime")) == [
        "azure-realtime needs an account: the environment variable is not set: AZURE_REALTIME_URL."
    ]
    monkeypatch.setenv("AZURE_REALTIME_URL", "wss://x.openai.azure.com/openai/v1/realtime")
    assert missing_of(load_spec("hosted-azure-realtime")) == []


BAD = {
    "none": ("", "it names no service"),
    "typo": ('[tts]\nservice = "cartesa"\n', "did you mean 'cartesia'"),
    "stage": ('[stt]\nservice = "cartesia"\n', "known for this stage: deepgram"),
    "both": (
        '[speech]\nservice = "ultravox"\n[tts]\nservice = "cartesia"\n',
        r"leave \[tts\] out",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_hosted_preset_is_one_sentence(name):
    text, told = BAD[name]
    with pytest.raises(SpecError, match=told):
        missing_of(parse_spec("mine", HEAD + text))


def test_settings_that_a_service_does_not_know_are_one_sentence_without_the_key(monkeypatch):
    monkeypatch.setenv("CARTESIA_API_KEY", KEY)
    with pytest.raises(SpecError, match="cartesia does not take these settings") as error:
        make_service(SERVICES["cartesia"], ServiceOptions("cartesia", settings={"v": 1}), "")
    assert KEY not in str(error.value)


def test_secrets_of_the_environment_are_struck_out_of_texts():
    env = {"OPENAI_API_KEY": KEY, "DEBUG_TOKENS": "true", "HOME": "/home/somebody"}
    text = f"401 for Bearer {KEY} at /home/somebody: true"
    assert redact(text, env) == "401 for Bearer *** at /home/somebody: true"


class Collector(FrameProcessor):
    """Keeps the frames that come out of a service."""

    def __init__(self, wanted):
        super().__init__()
        self.wanted = set(wanted)
        self.frames = []
        self.done = asyncio.Event()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        self.take(frame)
        await self.push_frame(frame, direction)

    def take(self, frame):
        self.frames.append(frame)
        if self.wanted <= {type(f) for f in self.frames}:
            self.done.set()

    def of(self, kind):
        return [f for f in self.frames if isinstance(f, kind)]


def speech(rate_hz):
    """800 ms of sound and 600 ms of silence in chunks of 20 ms."""
    n = rate_hz // 50
    loud = (8000 * np.sin(np.arange(n))).astype(np.int16).tobytes()
    pcm = [loud] * 40 + [bytes(2 * n)] * 30
    return [InputAudioRawFrame(chunk, rate_hz, 1) for chunk in pcm]


STAGES = {
    "speech": (speech, {TTSAudioRawFrame}),
    "stt": (speech, {TranscriptionFrame}),
    "llm": (lambda _: [LLMContextFrame(LLMContext([{"role": "user", "content": "hi"}]))], None),
    "tts": (lambda _: [TTSSpeakFrame("Hello to you.")], {TTSAudioRawFrame}),
}


async def talk(name, url, rate_hz):
    """What comes out of a service that is given one turn."""
    service = SERVICES[name]
    frames, wanted = STAGES[service.stage]
    before, after = Collector(()), Collector(wanted or {LLMTextFrame})
    made = make_service(service, ServiceOptions(name, url=url), "You are a robot.")
    worker = PipelineWorker(
        Pipeline([before, made, after]),
        params=PipelineParams(audio_in_sample_rate=rate_hz, audio_out_sample_rate=rate_hz),
        enable_rtvi=False,
    )
    errors = []

    @worker.event_handler("on_pipeline_error")
    async def on_error(_worker, frame):
        errors.append(frame.error)

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await asyncio.sleep(0.3)
    first = [LLMContextFrame(LLMContext())] if service.context_first else []
    for frame in [*first, *frames(rate_hz)]:
        await worker.queue_frame(frame)
        await asyncio.sleep(0.002)
    async with asyncio.timeout(20):
        await after.done.wait()
    await asyncio.sleep(0.2)
    await runner.cancel()
    await running
    return before, after, errors


@pytest.mark.parametrize("name", SPOKEN_TO)
def test_a_service_speaks_its_protocol_and_sends_its_key_only_in_a_header(name, monkeypatch):
    service = SERVICES[name]
    for variable in service.environment.values():
        monkeypatch.setenv(variable, KEY)
    rate_hz = {"ultravox": 48_000, "deepgram": 16_000}.get(name, 24_000)
    if not all(map(services._there, service.imports)):
        pytest.skip(f"the extra 'hosted' is not installed: {service.imports}")

    async def main():
        async with double(name) as heard:
            if heard.certificate:
                monkeypatch.setenv("SSL_CERT_FILE", heard.certificate)
            return heard, *await talk(name, heard.url, rate_hz)

    heard, before, after, errors = asyncio.run(main())
    assert errors == []
    assert name == "ultravox" or any(KEY in key for key in heard.keys)
    assert KEY not in str(heard.messages)
    if service.stage == "llm":
        assert "".join(f.text for f in after.of(LLMTextFrame)).strip() == ANSWER
        assert heard.messages[0]["stream"] is True
        return
    if service.stage == "stt":
        assert [f.text for f in after.of(TranscriptionFrame)] == [SAID]
        return
    samples = sum(f.num_frames for f in after.of(TTSAudioRawFrame))
    assert samples == pytest.approx(TONE_S * rate_hz, abs=rate_hz / 10)
    if service.stage == "speech":
        said = [f.text for f in (*before.of(TranscriptionFrame), *after.of(TranscriptionFrame))]
        assert SAID in [text.rstrip(".") for text in said]


def test_a_service_that_hears_nothing_before_a_context_is_given_an_empty_one():
    assert [s.name for s in SERVICES.values() if s.context_first] == ["gemini-live"]
    context, after = LLMContext(), Collector({LLMContextFrame})

    async def main():
        worker = PipelineWorker(Pipeline([FirstContext(context), after]), enable_rtvi=False)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        async with asyncio.timeout(20):
            await after.done.wait()
        await runner.cancel()
        await running

    asyncio.run(main())
    kinds = [type(f) for f in after.frames if isinstance(f, StartFrame | LLMContextFrame)]
    assert kinds == [StartFrame, LLMContextFrame]
    assert after.of(LLMContextFrame)[0].context is context and context.get_messages() == []
