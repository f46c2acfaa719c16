"""Real servers that nobody here wrote: a bot under Pipecat's own runner, called by its transports.

Its recogniser and its voice are the embedded ones. The runner is started once, as the command of a
preset, and takes all calls at the same time.
"""

from __future__ import annotations

import json
import socket
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.agent.remote import RemoteAgent
from bench.caller.call import call
from bench.caller.connection import AgentGoneError, dialled
from bench.caller.mouth import CHUNK_MS
from bench.caller.plan import CallerResult
from bench.fixtures.labels import labels_of
from bench.lines.line import LineChoice
from bench.metrics.compute import trial_with_causes
from bench.recorded.listener import TRANSCRIPT, Sphinx
from bench.runner.trial import caller_plan, stereo_of
from bench.stats.word_errors import word_errors
from bench.store.recording import AGENT, Stereo
from bench.store.records import Trial
from pipelines.audio.resample import resample
from pipelines.clock import ns_to_samples
from pipelines.marks import Mark, stamp
from pipelines.spec import PipelineSpec, parse_spec
from tests.bench.chains.virtual_call import BOTS, Called, kitchen

pytestmark = pytest.mark.unhurried

SERVER = BOTS / "under_runner.py"
ADDRESSES = {
    "pipecat": "ws://127.0.0.1:{port}/ws-client",
    "twilio": "ws://127.0.0.1:{port}/ws",
    "webrtc": "http://127.0.0.1:{port}/api/offer",
}
"""Line → the runner's address for it."""
SENTENCES = (
    "okay i will go to the kitchen",
    "okay i will bring the green cup",
    "the ball is on the table",
    "what do you see on the shelf",
)
"""What the recogniser of the answers expects: the true one, and three that it must not hear."""
PRESET = """
title = "Under Pipecat's runner"
architecture = "remote"
kind = "remote"
weights = "trained"
[agent]
url = "{url}"
line = "{line}"
greeting_s = 20
{more}
"""


def preset(line: str, port: int, more: str = "") -> PipelineSpec:
    return parse_spec(
        line, PRESET.format(url=ADDRESSES[line].format(port=port), line=line, more=more)
    )


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a runner that a preset's command has started."""
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        free: int = one.getsockname()[1]
    command = f"{sys.executable} {SERVER} --host 127.0.0.1 --port {free}"
    agent = RemoteAgent(preset("pipecat", free, f"start = '{command}'"))
    try:
        agent.ask("prepare")
        assert agent.wait(60.0).error is None
        yield free
    finally:
        agent.stop()


@pytest.fixture(scope="module")
def calls(port: int, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Called]:
    """One call over each line, all at the same time: line → what was measured."""
    sentences = tmp_path_factory.mktemp("listener") / "sentences.txt"
    sentences.write_text("\n".join(SENTENCES), encoding="utf-8")
    listener = Sphinx(sentences)
    specs = [preset(line, port) for line in ADDRESSES]
    with ThreadPoolExecutor(len(specs)) as pool:
        played = list(pool.map(played_by, specs))
    return {
        spec.name: measured(spec, *one, listener) for spec, one in zip(specs, played, strict=True)
    }


def played_by(spec: PipelineSpec) -> tuple[CallerResult, int]:
    """One call, and the rate of the user's audio in it."""
    plan = caller_plan("t", spec, kitchen())
    return call(plan, None, lambda word: None), plan.in_rate_hz


def measured(spec: PipelineSpec, result: CallerResult, in_rate_hz: int, listener: Sphinx) -> Called:
    """The figures of a call, with the words that a recogniser hears in the answer."""
    fixture = kitchen()
    assert result.error is None
    stereo = stereo_of(result, in_rate_hz)
    assert stereo is not None
    trial = Trial(
        "run", "t", spec.name, fixture.name, 0, result.t0_ns, result.rate_hz, 1,
        status=result.status, chunk_ms=CHUNK_MS, weights=spec.weights, kind=spec.kind,
        chunks_sent=result.chunks_sent, audio_s=len(stereo) / result.rate_hz,
    )  # fmt: skip
    heard = listener(
        after_the_turn(result.marks, result.t0_ns, stereo, result.rate_hz), result.rate_hz
    )
    marks = [*result.marks, stamp(*TRANSCRIPT, t_ns=result.t0_ns, turn=0, text=heard)]
    found = trial_with_causes(trial, marks, stereo, labels_of(fixture))
    return Called(trial, marks, found.metrics, found.causes, stereo)


@pytest.mark.parametrize("line", ADDRESSES)
def test_a_turn_is_heard_and_answered_with_valid_content(
    calls: Mapping[str, Called], line: str
) -> None:
    found = calls[line]
    assert found.trial.status == "ok"
    row = found.row("voice_to_voice")
    assert row.valid or " late: " in row.reason  # of the clock, which is no matter here
    assert row.value > 300 + 300  # the silence that ends the turn, and the language model


@pytest.mark.parametrize("line", ["pipecat", "webrtc"])
def test_the_answer_is_heard_in_words(calls: Mapping[str, Called], line: str) -> None:
    heard = next(m.text for m in calls[line].marks if (m.stage, m.event) == TRANSCRIPT)
    # Every other sentence differs by more; a chunk that came late may cost a word.
    assert word_errors(SENTENCES[0], heard).rate < 0.4


def test_a_telephone_carries_the_same_sound_too_narrow_for_the_recogniser(
    calls: Mapping[str, Called],
) -> None:
    one, other = answer(calls["pipecat"]), answer(calls["twilio"])
    pieces = [one[at : at + PIECE] for at in range(0, len(one) - PIECE, PIECE)]
    loud = sorted(pieces, key=np.linalg.norm)[-4:]  # a late chunk may shift one against the other
    assert np.median([likeness(piece, other) for piece in loud]) > 0.9


PIECE = 1_600
"""Samples at 8 kHz that are compared, 200 ms."""


def likeness(piece: NDArray[np.float64], whole: NDArray[np.float64]) -> float:
    """Largest correlation of a piece with a stretch of another signal, from 0 to 1."""
    products = np.correlate(whole, piece)
    energies = np.convolve(whole**2, np.ones(len(piece)), "valid")
    return float(np.max(np.abs(products) / np.sqrt(energies * np.sum(piece**2) + 1.0)))


def answer(found: Called) -> NDArray[np.float64]:
    """All that was heard of the agent after its greeting, (n,) at 8 kHz."""
    trial = found.trial
    assert found.recording is not None
    pcm = after_the_turn(found.marks, trial.t0_ns, found.recording, trial.rate_hz)
    return resample(pcm, trial.rate_hz, 8_000).astype(np.float64)


def after_the_turn(
    marks: Sequence[Mark], t0_ns: int, stereo: Stereo, rate_hz: int
) -> NDArray[np.int16]:
    """What was heard of the agent once the user had ended, (n,)."""
    off_ns = next(m.t_ns for m in marks if (m.stage, m.event) == ("user", "speech_off"))
    return np.ascontiguousarray(stereo[ns_to_samples(off_ns - t0_ns, rate_hz) :, AGENT])


def test_each_line_has_the_rate_of_its_transport(calls: Mapping[str, Called]) -> None:
    assert {line: found.trial.rate_hz for line, found in calls.items()} == {
        "pipecat": 22_050,
        "twilio": 8_000,
        "webrtc": 48_000,
    }


@pytest.mark.parametrize("line", ["pipecat", "webrtc"])
def test_a_bot_reports_its_words_by_rtvi(calls: Mapping[str, Called], line: str) -> None:
    marks = calls[line].marks
    said = "".join(m.text or "" for m in marks if (m.stage, m.event) == ("line", "agent_text"))
    understood = [m.text for m in marks if (m.stage, m.event) == ("line", "user_text")]
    assert said.strip() == "okay i will go to the kitchen."
    assert "kitchen" in " ".join(understood)


def test_the_runners_start_names_wss_without_tls_and_dialling_it_says_so(port: int) -> None:
    url, body = f"http://127.0.0.1:{port}/start", json.dumps({"transport": "twilio"}).encode()
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=10) as response:
        named = json.load(response)["wsUrl"]
    assert named == f"wss://127.0.0.1:{port}/ws"
    with pytest.raises(AgentGoneError, match=r"does not speak TLS .* begins with ws://, though"):
        dialled(LineChoice("twilio", named))
