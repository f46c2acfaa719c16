"""Peers that behave badly: each is one sentence, in bounded memory and time.

Real sockets on loopback; waits are shortened.
"""

import ipaddress
import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest

from bench.caller import call as calling
from bench.caller import connection
from bench.caller.plan import CallerPlan, CallerTurn
from bench.lines.fakes import pipecat
from bench.lines.fakes.bad import BAD, encrypted
from bench.lines.line import LineChoice
from pipelines import certificate
from pipelines.wires import pipecat_frames

GREW_MB = 48
"""Memory that a call may need beyond what there was, MB: a message of 100 MB is none of it."""

SAID = {
    "refuses": r"error: no agent answers at ws://127.0.0.1:\d+/talk: the connection is refused; "
    r"does it run, and is \d+ its port\?",
    "closes in the handshake": r"error: ws://\S+ closed the connection in the handshake, before it "
    r"was ready: does it speak the line pcm-websocket\? \('duplex-lab lines' lists them\)",
    "never answers": r"error: ws://\S+ took the connection, and was not ready within 0.4 s: does "
    r"it speak the line pcm-websocket\?",
    "is a web page": r"error: ws://\S+ refuses the WebSocket: .*HTTP 200: there is a web page at "
    r"this path, and no WebSocket",
    "401": r"error: ws://\S+ refuses the WebSocket: .*HTTP 401: a key or token is missing or "
    r"wrong \(see --header-from-env\)",
    "404": r"error: ws://\S+ refuses the WebSocket: .*HTTP 404: the path may be wrong",
    "speaks something else": r"error: ws://\S+ refuses the WebSocket: did not receive a valid "
    r"HTTP response \(over TLS its address begins with wss://\)",
    "has no TLS": r"error: wss://\S+ does not speak TLS .*; without TLS its address begins with "
    r"ws://",
    "half a sample": r"error: ws://\S+: half a sample arrived: int16 takes 2 bytes each, got 3",
    "text where audio is due": r"no_answer: the agent sent 3 text messages "
    r"\('\{\"type\": \"audio\".* …\), and text is skipped; if they carry audio, a protocol map "
    r"says how",
    "100 MB message": r"error: ws://\S+ breaks the WebSocket protocol: .*104857600 bytes",
    "slow reader": r"no_answer: the agent has read nothing for \d+ s, so that it did not hear all "
    r"of the user's audio",
    "silence for ever": r"no_answer: the agent sent no audio",
    "floods by audio": r"error: the agent floods the line: \d\d s of audio in -?\d.\d s, more than "
    r"this trial can hear",
    "floods by messages": r"error: the agent floods the line: \d+ messages in -?\d.\d s",
    "gives up in mid-call": r"error: the agent hung up before it had answered \(the agent ended "
    r"the conversation: out of memory \(close code 1011\)\)",
}
"""Peer → the status of its trial, and what is said."""
PATIENCE_S = {name: 12.0 for name, said in SAID.items() if said.startswith("error")}
"""Time for a peer that ends its trial itself, s: on a busy machine it takes more than a moment."""


def trial(url, line="pcm-websocket", limit_s=5.0, timeout_s=0.4, **options):
    pcm = np.zeros(6400, np.int16)  # 400 ms, of which 100–300 are audible
    pcm[1600:4800] = 5000
    turn = CallerTurn(pcm, 1600, 4800, "start", delay_ms=0.0, timeout_s=timeout_s, wait_s=0.3)
    plan = CallerPlan("t", 16_000, (turn,), limit_s, line=LineChoice(line, url, options))
    return calling.call(plan, None, lambda word: None)


def said(result):
    return f"{result.status}: {result.error or result.note}"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(calling, "CONNECT_TIMEOUT_S", 0.4)
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 2.0)
    monkeypatch.setattr(connection, "SEND_BUFFER_BYTES", 2048)
    monkeypatch.setattr(connection, "UNREAD_S", 0.1)
    monkeypatch.setattr("bench.caller.conversation.MAX_MESSAGES", 2_000)
    monkeypatch.setattr("bench.caller.conversation.AHEAD_S", 60.0)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_peer_is_one_sentence_in_bounded_memory(name):
    before = psutil.Process().memory_info().rss
    with BAD[name]() as url:
        result = trial(url, limit_s=15.0, timeout_s=PATIENCE_S.get(name, 0.4))
    assert re.match(SAID[name], said(result)), said(result)
    grew_mb = (psutil.Process().memory_info().rss - before) / 2**20
    assert grew_mb < GREW_MB


def test_every_bad_peer_stands_in_the_page():
    page = Path(__file__).parents[3].joinpath("docs", "lines.md").read_text(encoding="utf-8")
    assert [name for name in BAD if f"| {name} |" not in page] == []


def server_context(folder, begins, ends):
    """A server's TLS with a certificate of its own that holds between two days from now."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_a_self_signed_certificate_is_refused_and_the_way_round_is_named():
    with encrypted(certificate.context([]))() as url:
        told = said(trial(url))
    assert re.match(
        r"error: the certificate of wss://\S+ is not trusted \(self-signed certificate\): name the "
        "file of its authority in SSL_CERT_FILE",
        told,
    ), told


def test_an_expired_certificate_is_to_be_renewed(tmp_path, monkeypatch):
    serving = encrypted(server_context(tmp_path, -9, -2))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with serving() as url:
        told = said(trial(url))
    assert re.match(
        r"error: the certificate of wss://\S+ is not trusted \(certificate has expired\): it is to "
        "be renewed on the server",
        told,
    ), told


@pytest.mark.parametrize(
    ("rates_hz", "sentence"),
    [
        ((1,), "the agent says that its audio has 1 Hz: a rate from 4000 to 192000 Hz is needed"),
        ((24_000, 16_000), "the agent's audio changed its rate from 24000 to 16000 Hz in mid-call"),
    ],
)
def test_a_rate_that_cannot_be_is_one_sentence(rates_hz, sentence):
    def play(peer):
        for rate_hz in rates_hz:
            peer.connection.send(pipecat_frames.audio(np.zeros(480, np.int16), rate_hz))
        while peer.hear() is not None:
            pass

    with pipecat.serving(play) as url:
        assert sentence in said(trial(url, "pipecat", limit_s=30.0, timeout_s=15.0))


def test_a_server_of_another_protocol_is_doubted_by_the_name_of_the_line():
    with BAD["half a sample"]() as url:  # it sends a binary message, and Twilio none
        told = said(trial(url, "twilio"))
    assert re.match(
        r"error: ws://\S+: a binary message arrived: the protocol has JSON in text messages only: "
        r"does it speak the line twilio\?",
        told,
    ), told


def test_a_refusal_at_an_unusual_path_names_the_usual_ones():
    with BAD["404"]() as url:
        told = said(trial(url, "pipecat"))
    assert told.endswith("; agents of the line pipecat are at /ws-client or /ws as a rule")
