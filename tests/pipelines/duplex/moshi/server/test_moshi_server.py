"""The client of a Moshi server: a conversation, and one sentence for every way it can fail."""

import time

import numpy as np
import pytest
from pipecat.frames.frames import InputAudioRawFrame
from pipecat.pipeline.worker import PipelineParams
from pipecat.tests.utils import SleepFrame, run_test

from pipelines.duplex.frame_marks import FrameMarks
from pipelines.duplex.moshi.server.double import MoshiServerDouble
from pipelines.duplex.moshi.server.model import MoshiServer
from pipelines.duplex.processes import duplex_process
from pipelines.duplex.processor import MoshiProcessor
from pipelines.duplex.session.options import ModelOptions
from pipelines.duplex.session.wire import PCM_BYTES, STAMPS, Reply
from pipelines.marks import MarkList
from pipelines.process.engine import EngineError

EVENTS = ("frame_in", "handed", "frame_out", *STAMPS)

CODEC_DELAY = 154
"""Samples that Opus keeps back at 24 kHz, each way."""


def tone(frames):
    t = np.arange(frames * 1920) / 24000
    return (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32).reshape(frames, 1920)


def client(server, **options):
    options = {"handshake_timeout_s": 0.5, "silence_timeout_s": 1.0, "patience_s": 0.2} | options
    model = MoshiServer(url=server.url, **options)
    model.load()
    return model


def converse(server, frames=12, **options):
    """Every step's outcome, as fast as the server answers."""
    with client(server, **options).open(seed=7) as session:
        return [session.step(pcm) for pcm in tone(frames)]


def test_a_conversation_gives_one_frame_a_step_and_its_text():
    with MoshiServerDouble(words=[" Hel", "lo", " there"]) as server:
        steps = converse(server)
        assert server.errors == []
    assert steps[0].pcm is None  # the double is one frame late
    assert all(s.pcm is not None and s.pcm.shape == (1920,) for s in steps[1:])
    assert "".join(s.text for s in steps) == " Hello there"
    assert all(s.spans == {} and s.ids == () for s in steps)


def test_the_echo_is_late_by_the_codecs_own_delay_both_ways_and_the_servers_frame():
    pcm = np.zeros((8, 1920), np.float32)
    pcm[2, 960:] = tone(1)[0, 960:]
    with MoshiServerDouble(delay_frames=1) as server, client(server).open() as session:
        heard = [session.step(frame).pcm for frame in pcm]
    whole = np.concatenate([np.zeros(1920, np.float32) if h is None else h for h in heard])
    onset = int(np.flatnonzero(np.abs(whole) > 0.1)[0])
    expected = 2 * 1920 + 960 + 1920 + 2 * CODEC_DELAY
    assert abs(onset - expected) < 60


def test_a_step_waits_only_until_a_frame_is_there():
    double = MoshiServerDouble(delay_frames=0, compute_s=0.02)
    with double as server, client(server, patience_s=5.0).open() as session:
        begin = time.monotonic()
        steps = [session.step(pcm) for pcm in tone(10)]
        took_s = time.monotonic() - begin
    assert all(s.pcm is not None for s in steps)
    assert 0.2 <= took_s < 2.0


async def talk(server, frames):
    """Paced frames through a processor and the server; the marks."""
    marks = MarkList()
    model = ModelOptions("moshi-7b", backend="server", url=server.url)
    async with duplex_process(model, marks=MarkList()) as process:
        sent = []
        for pcm in tone(frames):
            audio = np.rint(32767 * pcm).astype(np.int16).tobytes()
            sent += [InputAudioRawFrame(audio, 24_000, 1), SleepFrame(0.08)]
        await run_test(
            MoshiProcessor(process, marks=marks),
            frames_to_send=sent,
            pipeline_params=PipelineParams(
                audio_in_sample_rate=24_000, audio_out_sample_rate=24_000
            ),
            start_timeout=60.0,
        )
    return marks.marks


async def test_the_latency_of_a_servers_frames_is_that_of_the_stream_and_its_work_is_not_claimed():
    with MoshiServerDouble(delay_frames=4) as server:  # each frame is echoed 320 ms later
        marks = await talk(server, 30)
        assert server.errors == []
    at = {name: {int(m.value): m.t_ns for m in marks if m.event == name} for name in EVENTS}
    said = len(at["frame_out"])
    assert 20 <= said <= 27 and list(at["frame_out"]) == list(range(said))
    assert set(at["frame_in"]) == set(at["handed"]) == set(range(30))
    latency_ms = [(at["frame_out"][j] - at["frame_in"][j]) / 1e6 for j in range(said)]
    # What Opus keeps back costs each side the wait for the packet after.
    assert 320 <= np.median(latency_ms) < 320 + 2 * 80 + 60
    assert min(latency_ms) > 300
    assert not any(at[name] for name in ("ready", "start", "encoded", "stepped", "done"))


def test_frames_that_were_dropped_before_a_server_got_them_are_answered_by_none():
    marks = MarkList()
    frames = FrameMarks(marks, "s", 1)
    pcm = b"\0" * PCM_BYTES
    for reply in (
        Reply(0, {"dropped": 1}, synchronous=False),
        Reply(1, {"ready": 1, "start": 2, "done": 3}, synchronous=False),
        Reply(2, {"dropped": 4}, synchronous=False),
        Reply(3, {"ready": 5, "start": 5, "done": 6}, " yes", pcm=pcm, synchronous=False),
        Reply(4, {"ready": 7, "start": 7, "done": 8}, pcm=pcm, synchronous=False),
    ):
        if reply.pcm:
            frames.frame_out(reply)
        frames.reply(reply)
    told = [(m.event, m.value) for m in marks.marks]
    assert told == [
        ("dropped", 0), ("dropped", 2), ("frame_out", 1), ("text", 3), ("frame_out", 3)
    ]  # fmt: skip


@pytest.mark.realtime
def test_a_server_slower_than_the_patience_holds_nobody_up():
    double = MoshiServerDouble(delay_frames=0, compute_s=0.3)
    with double as server, client(server, patience_s=0.02).open() as session:
        begin = time.monotonic()
        steps = [session.step(pcm) for pcm in tone(5)]
        assert time.monotonic() - begin < 0.3
    assert [s.pcm is None for s in steps] == [True] * 5


def test_frames_that_pile_up_are_kept_and_handed_out_one_a_step():
    double = MoshiServerDouble(delay_frames=0, compute_s=0.05)
    with double as server, client(server, patience_s=0.0).open() as session:
        for pcm in tone(4):
            session.step(pcm)
        time.sleep(0.4)
        later = [session.step(pcm) for pcm in tone(4)]
    assert all(s.pcm is not None for s in later)


@pytest.mark.parametrize(
    ("misbehaviour", "sentence"),
    [
        ("refuses", r"refuses the session \(HTTP 503\)"),
        ("no_handshake", "sent no handshake within 0.5 s: it serves one session at a time"),
        ("closes", "closed the connection after 2 frames"),
        ("closes_in_mid_frame", "broke the connection off after 2 frames"),
        ("silent", "has sent no audio for 1 s"),
        ("bad_kind", "unknown kind .* not a Moshi server"),
        ("bad_opus", "not Opus in Ogg"),
        ("bad_text", "text that is not UTF-8"),
        ("text_message", "not binary"),
        ("reports_error", "reports an error: out of memory"),
    ],
)
def test_every_misbehaviour_is_one_sentence_and_no_hang(misbehaviour, sentence):
    begin = time.monotonic()
    with MoshiServerDouble(misbehaviour=misbehaviour) as server:
        with pytest.raises(EngineError, match=sentence) as error:
            converse(server, frames=40, patience_s=0.05)
        assert server.errors == []
    assert time.monotonic() - begin < 5.0
    assert "\n" not in str(error.value) and "127.0.0.1" in str(error.value)


def test_a_server_that_is_busy_keeps_the_second_waiting_and_then_serves_it():
    with MoshiServerDouble() as server:
        with client(server).open() as first:
            first.step(tone(1)[0])
            with pytest.raises(EngineError, match="no handshake"), client(server).open():
                pass
        assert any(s.pcm is not None for s in converse(server, handshake_timeout_s=5.0))


def test_no_server_is_one_sentence():
    with MoshiServerDouble() as server:
        url = server.url
    with pytest.raises(EngineError, match=r"can't be reached .* is it running"):
        MoshiServer(url=url).open().__enter__()


def test_a_server_under_another_path_is_refused_with_its_status():
    with MoshiServerDouble() as server, pytest.raises(EngineError, match="HTTP 404"):
        MoshiServer(url=server.url + "/other").open().__enter__()


def test_prompts_and_seed_go_to_personaplex_servers_and_to_no_others():
    with MoshiServerDouble() as server:
        prompts = {"voice_prompt": "NATF0.pt", "text_prompt": "You are a clerk & kind."}
        converse(server, frames=1, patience_s=0, id="personaplex-7b", **prompts)
        converse(server, frames=1, patience_s=0, id="moshi-7b")
        first, second = server.queries
    assert first == {key: [value] for key, value in (prompts | {"seed": "7"}).items()}
    assert second == {}


def test_a_query_of_ones_own_is_kept():
    model = MoshiServer(url="wss://host:8998/?token=x%26y", id="personaplex-7b")
    assert model.session_url(3) == (
        "wss://host:8998/api/chat?token=x%26y&voice_prompt=&text_prompt=&seed=3"
    )
    assert MoshiServer(url="ws://host:1/p?q=1").session_url(0) == "ws://host:1/p?q=1"


def test_capabilities_say_what_the_server_takes():
    moshi = MoshiServer(url="ws://h:1").capabilities
    plex = MoshiServer(url="ws://h:1", id="personaplex-7b").capabilities
    assert (moshi.text_stream, moshi.voice_prompt, moshi.text_prompt) == (True, False, False)
    assert (plex.text_stream, plex.voice_prompt, plex.text_prompt) == (True, True, True)
    assert not moshi.forced_text and not moshi.synchronous and not plex.synchronous


@pytest.mark.parametrize("url", ["", "localhost:8998", "http://localhost:8998", "ws://"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(EngineError, match=r"write ws://host:port"):
        MoshiServer(url=url).load()


def test_prompts_for_a_model_that_takes_none_are_refused():
    with pytest.raises(EngineError, match="only personaplex-… servers take prompts"):
        MoshiServer(url="ws://h:1", id="moshi-7b", text_prompt="You are kind.").load()


def test_forced_text_is_refused():
    said = pytest.raises(EngineError, match="can't be forced")
    with MoshiServerDouble() as server, client(server).open() as session, said:
        session.say("hello")


def test_a_missing_package_names_the_extra(monkeypatch):
    import importlib

    def missing(name, *args):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(EngineError, match=r"'sphn' is needed .* extra 'server'"):
        MoshiServer(url="ws://h:1").load()
