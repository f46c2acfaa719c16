"""The fixed delays of each protocol, to a sample, by the codecs of the server and of the caller."""

import json
from typing import Any

import numpy as np
import pytest

from bench.lines.table import row_of
from bench.probes.door_delays import doors
from pipelines.audio.levels import as_floats
from pipelines.server.doors.voice import FRAME, LOOK_AHEAD_MS, RATE_HZ, Voice
from pipelines.server.protocols.moshi import MoshiServer
from pipelines.server.protocols.twilio import TwilioCall
from pipelines.wires import g711, moshi, twilio

AT = 5_000
"""Sample of the click, at 24 kHz."""
CHUNK = 240
"""Samples of a chunk of the agent's, 10 ms at 24 kHz."""
START = twilio.Start("MZ1", "CA1", {})


def click(samples, at=AT):
    pcm = np.zeros(samples, np.int16)
    pcm[at] = 24_000
    return pcm


def peak(pieces):
    return int(np.argmax(np.abs(np.concatenate(pieces).astype(float))))


def chunks(pcm, size=CHUNK):
    return pcm.reshape(-1, size)


def codes_of(media: Any) -> bytes:
    codes: bytes = media.codes
    return codes


def heard_of(commands: Any) -> list[Any]:
    return [command.pcm for command in commands]


def fixed_ms(door):
    return doors("click")[door].fixed_ms


def test_a_websocket_at_the_agent_s_rate_delays_nothing():
    assert fixed_ms("stream") == fixed_ms("realtime") == (0.0, 0.0)


def test_the_telephone_s_filters_delay_4_ms_each_way_and_its_packet_nothing():
    call = TwilioCall(START, 24_000, 24_000)
    heard = []
    for k, piece in enumerate(chunks(click(9_600, AT // 3), 160)):
        message = twilio.inbound("MZ1", k + 2, k, g711.encode(piece))
        heard += heard_of(call.receive(json.dumps(message)))
    in_ms = (peak(heard) - AT // 3 * 3) / 24
    out, sent_at = [], []
    for k, piece in enumerate(chunks(click(9_600, AT // CHUNK * CHUNK))):
        call.agent_audio(piece)
        messages = call.take()
        sent_at += [k] * len(messages)
        out += [g711.decode(codes_of(twilio.read(json.dumps(m)))) for m in messages]
    out_ms = peak(out) / 8 - AT // CHUNK * CHUNK / 24
    assert (in_ms, out_ms) == (4.0, 4.0)
    assert sent_at[:3] == [1, 3, 5]  # each second chunk fills a packet
    assert fixed_ms("twilio") == pytest.approx((8.0, 8.0))


def test_opus_looks_6_5_ms_ahead_each_way_and_four_chunks_fill_a_packet():
    import sphn

    server, writer = MoshiServer(24_000, 24_000), sphn.OpusStreamWriter(24_000)
    heard = []
    for piece in chunks(click(9_600), 480):
        if page := writer.append_pcm(as_floats(piece).astype(np.float32)):
            heard += heard_of(server.receive(moshi.message(moshi.AUDIO, page)))
    assert (peak(heard) - AT) / 24 == 6.5
    reader, out, sent_at = sphn.OpusStreamReader(24_000), [], []
    server.take()
    for k, piece in enumerate(chunks(click(9_600))):
        server.agent_audio(piece)
        for message in server.take():
            sent_at.append(k)
            out.append(reader.append_bytes(message[1:]))
    assert (peak(out) - AT) / 24 == 6.5
    assert sent_at[:3] == [3, 7, 11]
    assert fixed_ms("moshi") == (13.0, 13.0) and row_of("moshi").look_ahead_ms == 6.5


async def test_webrtc_adds_its_filters_a_jitter_buffer_of_four_packets_and_the_track_s_grid():
    from aiortc.codecs.opus import OpusDecoder, OpusEncoder
    from aiortc.jitterbuffer import JitterFrame
    from av import AudioFrame

    def decoded(payloads):
        decoder, out = OpusDecoder(), []
        for k, payload in enumerate(payloads):
            for frame in decoder.decode(JitterFrame(payload, k * FRAME)):
                out.append(frame.to_ndarray().reshape(-1)[::2])
        return out

    packets = 2 * 9_600 // FRAME
    played, sent = Voice(24_000), Voice(24_000)
    for piece in chunks(click(9_600)):
        played.speak(piece)
        sent.speak(piece)
    told = [played.take() for _ in range(packets)]
    filter_ms = (peak(told) - 2 * AT) / 48
    assert filter_ms == pytest.approx(4 / 3)
    server_s = decoded([bytes(await sent.packet()) for _ in range(packets)])
    assert (peak(server_s) - peak(told)) / 48 == LOOK_AHEAD_MS == 2.5
    assert np.abs(np.concatenate(server_s)).max() > 15_000  # as loud as it was, in one channel

    encoder, caller_s = OpusEncoder(), []
    for k, pcm in enumerate(told):
        frame = AudioFrame.from_ndarray(pcm.reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts = RATE_HZ, k * FRAME
        caller_s += encoder.encode(frame)[0]
    assert (peak(decoded(caller_s)) - peak(told)) / 48 == 6.5

    look_ahead, filters, buffers, grid_ms = 9.0, 2 * filter_ms, 2 * 4 * 20.0, 1e3 * FRAME / RATE_HZ
    assert fixed_ms("webrtc") == pytest.approx(
        (look_ahead + filters + buffers + grid_ms / 2, look_ahead + filters + buffers + grid_ms)
    )
