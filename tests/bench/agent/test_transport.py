"""The link's rule (design.md): the real transport in a real pipeline, over a real Unix socket.

At the other end sits a fake caller: it notes what arrives, and lets the real ear hear it.
"""

import asyncio
import contextlib
import socket

import numpy as np
import pytest
from pipecat.frames.frames import (
    EndFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner

from bench.agent.wire import Wire
from bench.caller.ear import Ear
from bench.lines.local import Decoder, Kind, Message, encode
from pipelines.clock import NS_PER_MS, monotonic_ns
from pipelines.host import DUE_NS, LabelFeed
from pipelines.link.observer import RawMonotonicClock
from pipelines.link.transport import LinkTransport
from pipelines.marks import MarkList
from pipelines.spec import AudioOptions

RATE = 24_000
CHUNK = RATE // 100  # 10 ms
AUDIO = AudioOptions(out_rate_hz=RATE, device_buffer_ms=40)


class Agent(FrameProcessor):
    """Says what the test says, and keeps what it hears."""

    def __init__(self):
        super().__init__()
        self.heard = []

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.heard.append(frame)
        else:
            await self.push_frame(frame, direction)

    async def say(self, samples, level=8000):
        await self.push_frame(TTSStartedFrame())
        await self.push_frame(TTSAudioRawFrame(loud(samples, level), RATE, 1))

    async def hush(self):
        await self.push_frame(TTSStoppedFrame())

    async def interrupt(self):
        await self.push_frame(InterruptionFrame())


class Caller:
    """The other end of the wire."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer
        self.got = []
        self.ear = None

    async def listen(self):
        decoder = Decoder()
        while data := await self._reader.read(1 << 16):
            now_ns = monotonic_ns()
            for message in decoder.feed(data):
                self.got.append(message)
                if message.kind is Kind.READY:
                    self.ear = Ear(message.a, now_ns)
                elif message.kind is Kind.AUDIO_OUT:
                    pcm = np.frombuffer(message.payload, np.int16)
                    self.ear.receive(message.chunk_id, message.generation, pcm, now_ns)
                elif message.kind is Kind.CLEAR:
                    self.ear.clear(message.generation, now_ns)

    def send(self, message):
        self._writer.write(encode(message))

    def hang_up(self):
        self._writer.close()

    def of(self, kind):
        return [m for m in self.got if m.kind is kind]

    @property
    def chunks(self):
        return self.of(Kind.AUDIO_OUT)


class Link:
    """Everything a test needs to hold."""

    def __init__(self, wire, marks, transport, agent, caller, worker, running):
        self.wire, self.marks, self.output, self.agent = wire, marks, transport.output(), agent
        self.caller, self.worker, self.running = caller, worker, running

    def marked(self, stage, event):
        return [m for m in self.marks.marks if (m.stage, m.event) == (stage, event)]


def loud(samples, level=8000):
    return np.full(samples, level, np.int16).tobytes()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 conditions of several kinds
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def connected(audio=AUDIO):
    """The link, up and ready."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    marks = MarkList()
    wire = Wire(*await asyncio.open_unix_connection(sock=ours), marks)
    caller = Caller(*await asyncio.open_unix_connection(sock=theirs))
    listening = asyncio.create_task(caller.listen())
    transport, agent = LinkTransport(wire, audio), Agent()
    worker = PipelineWorker(
        Pipeline([transport.input(), agent, transport.output()]),
        params=PipelineParams(
            audio_in_sample_rate=audio.in_rate_hz, audio_out_sample_rate=audio.out_rate_hz
        ),
        clock=RawMonotonicClock(),
        enable_rtvi=False,
        idle_timeout_secs=None,
    )
    runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        await until(lambda: caller.of(Kind.READY))
        yield Link(wire, marks, transport, agent, caller, worker, running)
    finally:
        await runner.cancel()
        await running
        await wire.close()
        await listening
        caller.hang_up()


async def test_ready_carries_the_agent_s_rate():
    async with connected() as link:
        assert [m.a for m in link.caller.got] == [RATE]
        assert len(link.marked("agent", "pipeline_ready")) == 1


async def test_what_the_user_says_arrives_with_its_due_time_and_each_chunk_is_marked():
    async with connected() as link:
        said = [bytes([k]) * 640 for k in range(5)]
        for k, pcm in enumerate(said):
            link.caller.send(Message(Kind.AUDIO_IN, seq=k, a=1_000 + k, payload=pcm))
        await until(lambda: len(link.agent.heard) == 5)
        assert [f.audio for f in link.agent.heard] == said
        assert [f.metadata[DUE_NS] for f in link.agent.heard] == [1_000 + k for k in range(5)]
        assert {f.sample_rate for f in link.agent.heard} == {16_000}
        assert [m.value for m in link.marked("link", "chunk_in")] == [0, 1, 2, 3, 4]


@pytest.mark.realtime
async def test_a_write_sends_first_and_never_runs_ahead_of_the_device_buffer():
    async with connected() as link:
        await link.agent.say(50 * CHUNK)  # half a second, handed over at once
        await until(lambda: len(link.caller.chunks) == 50)
        chunks = link.caller.chunks
        assert [(m.seq, m.a) for m in chunks] == [(i, i * CHUNK) for i in range(50)]
        played_ns = [chunks[0].b + i * 10 * NS_PER_MS for i in range(50)]
        ahead_ms = [(t - m.b) / NS_PER_MS for t, m in zip(played_ns, chunks, strict=True)]
        assert max(ahead_ms) <= 40 + 0.1  # the timers' rounding
        # The first is not held back, so others can be ahead at all.
        assert ahead_ms[0] == 0 and max(ahead_ms[1:5]) > 0
        writes = link.marked("link", "write")
        assert [(m.t_ns, m.request_id, m.value) for m in writes] == [
            (m.b, m.chunk_id, m.a) for m in chunks
        ]


async def test_an_interruption_raises_the_generation_and_cuts_what_the_ear_has_not_heard():
    # A long device buffer: there is something to cut however slow the machine is.
    async with connected(AudioOptions(out_rate_hz=RATE, device_buffer_ms=400)) as link:
        await link.agent.say(200 * CHUNK)
        await until(lambda: len(link.caller.chunks) >= 10)
        await link.agent.interrupt()
        await until(lambda: link.caller.of(Kind.CLEAR))
        await link.agent.say(3 * CHUNK, level=4000)
        reply = loud(CHUNK, level=4000)
        await until(lambda: [m.payload for m in link.caller.chunks[-3:]] == [reply] * 3)
        (clear,) = link.caller.of(Kind.CLEAR)
        place = link.caller.got.index(clear)
        before, after = link.caller.got[1:place], link.caller.got[place + 1 :]
        assert {m.generation for m in before} == {0} and len(before) < 200
        assert {m.generation for m in after} == {1}
        (mark,) = link.marked("link", "clear")
        assert (mark.t_ns, mark.value) == (clear.b, 1)
        ear = link.caller.ear
        sent = CHUNK * len(link.caller.chunks)
        cut = sum(samples for _, _, samples in ear.cleared)
        assert cut > 0 and {chunk_id[:2] for _, chunk_id, _ in ear.cleared} == {"g0"}
        assert sum(c.heard_samples for c in ear.chunks) + cut == sent


async def test_a_stale_chunk_is_dropped_by_the_ear_and_the_next_reply_is_heard_at_once():
    async with connected() as link:
        await link.agent.say(100 * CHUNK)
        await until(lambda: len(link.caller.chunks) >= 5)
        await link.agent.interrupt()
        await until(lambda: link.caller.of(Kind.CLEAR))
        ear = link.caller.ear
        heard = len(ear.chunks)
        stale = np.frombuffer(loud(CHUNK), np.int16)
        assert ear.receive("g0:99", 0, stale, monotonic_ns()) is None and len(ear.chunks) == heard
        await link.agent.say(CHUNK)
        await until(lambda: len(ear.chunks) == heard + 1)
        reply = ear.chunks[-1]
        assert (reply.generation, reply.heard_ns) == (1, reply.arrival_ns)


async def test_a_chunk_that_pipecat_held_during_the_interruption_is_not_sent():
    # It empties its queue, but not the hands of the task that took a chunk out of it.
    async with connected() as link:
        held = TTSAudioRawFrame(loud(CHUNK), RATE, 1)
        await link.agent.interrupt()
        await until(lambda: link.caller.of(Kind.CLEAR))
        await link.output.write_audio_frame(held)
        await link.output.write_audio_frame(TTSAudioRawFrame(loud(CHUNK, 4000), RATE, 1))
        await until(lambda: link.caller.chunks)
        await asyncio.sleep(0.05)
        assert [m.payload for m in link.caller.chunks] == [loud(CHUNK, 4000)]


async def test_an_interruption_wakes_the_waiting_write_so_that_the_next_reply_is_not_late():
    # Chunks of 2 s and no device buffer: a write that is not woken would wait for 2 s.
    audio = AudioOptions(out_rate_hz=RATE, out_10ms_chunks=200, device_buffer_ms=0)
    async with connected(audio) as link:
        await link.agent.say(400 * CHUNK)
        await until(lambda: link.caller.chunks)
        await link.agent.interrupt()
        await link.agent.say(200 * CHUNK)
        await until(lambda: len(link.caller.chunks) == 2)
        (clear,) = link.caller.of(Kind.CLEAR)
        reply = link.caller.chunks[1]
        assert reply.generation == 1 and reply.b - clear.b < 1_000 * NS_PER_MS


async def test_an_interruption_with_nothing_queued_is_no_barge_in():
    async with connected() as link:
        await link.agent.interrupt()
        await until(lambda: link.caller.of(Kind.CLEAR))
        await link.agent.say(2 * CHUNK)
        await until(lambda: len(link.caller.chunks) == 2)
        await asyncio.sleep(0.1)  # both are heard
        await link.agent.interrupt()
        await until(lambda: len(link.caller.of(Kind.CLEAR)) == 2)
        assert [m.generation for m in link.caller.of(Kind.CLEAR)] == [1, 2]
        assert link.marked("link", "clear") == [] and link.caller.ear.cleared == []


async def test_a_tail_shorter_than_a_chunk_is_played_when_the_reply_is_over():
    async with connected() as link:
        await link.agent.say(2 * CHUNK + 100)
        await until(lambda: len(link.caller.chunks) == 2)
        await asyncio.sleep(0.1)
        assert len(link.caller.chunks) == 2
        await link.agent.hush()
        await until(lambda: len(link.caller.chunks) == 3)
        tail = np.frombuffer(link.caller.chunks[2].payload, np.int16)
        assert len(tail) == CHUNK and np.count_nonzero(tail) == 100 and tail[:100].all()


async def test_the_end_of_the_pipeline_adds_no_silence():
    async with connected() as link:
        await link.agent.say(10 * CHUNK)
        await link.agent.hush()
        await until(lambda: len(link.caller.chunks) == 10)
        await link.worker.queue_frame(EndFrame())
        await asyncio.wait_for(link.running, 10)
        await asyncio.sleep(0.05)
        assert b"".join(m.payload for m in link.caller.chunks) == loud(10 * CHUNK)


async def test_labels_reach_only_an_agent_that_may_see_them():
    async with connected() as link:
        link.caller.send(Message(Kind.LABELS, a=1, b=2))
        link.wire.labels = None
        await asyncio.sleep(0.05)
        link.wire.labels = LabelFeed()
        link.caller.send(Message(Kind.LABELS, a=3, b=4))
        await until(lambda: link.wire.labels.speech)
        assert link.wire.labels.speech == [(3, 4)]


async def test_bye_ends_the_trial():
    async with connected() as link:
        assert not link.wire.closed.is_set()
        link.caller.send(Message(Kind.BYE))
        await asyncio.wait_for(link.wire.closed.wait(), 5)


async def test_a_caller_that_goes_away_ends_the_trial():
    async with connected() as link:
        link.caller.hang_up()
        await asyncio.wait_for(link.wire.closed.wait(), 5)
        await link.agent.say(CHUNK)  # nobody listens, and nothing breaks
        assert link.wire.closed.is_set()
