"""A run as traces: ids that stay, times on the wall's clock, and what a collector receives."""

import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

import bench.cli.main
from bench.metrics.recompute import analyse
from bench.report import traces
from bench.simulated.frames import DuplexPlan, duplex_trial_of
from bench.simulated.turns import RATE_HZ, TurnPlan, after_u_off, labels_of, trial_of
from bench.store.atomic import StoreError
from bench.store.store import read_metrics, read_run, save_recording, write_info, write_trial
from bench.timeline.spans import ident, spans_of_run
from pipelines.errors import LabError

STARTED = "2026-01-01T00:00:10.250+00:00"
T0_UNIX_NS = 1_767_225_610_250_000_000
MS = 1_000_000


def write(folder, trial, marks, pcm, rate_hz=RATE_HZ):
    path = save_recording(folder, trial.trial_id, pcm, rate_hz)
    write_trial(folder, replace(trial, recording=path, started_utc=STARTED), marks)


@pytest.fixture
def folder(tmp_path):
    """A cascade's trial of two turns, the second without an answer, and a warm-up."""
    plans = [TurnPlan(), TurnPlan(u_on_ms=6000, u_off_ms=7000, heard_ms=None)]
    trial, marks, pcm = trial_of(plans)
    marks.append(after_u_off(-100, "llm", "request", "old"))
    marks.append(after_u_off(-50, "llm", "cancelled", "old"))
    write(tmp_path, trial, marks, pcm)
    trial, marks, pcm = trial_of([TurnPlan()], repeat=1)
    write(tmp_path, replace(trial, warmup=True), marks, pcm)
    labels = labels_of("cmd_example", plans)
    stages = {"llm": {"engine": "llama", "model": "creature-3m"}, "tts": {"engine": "espeak"}}
    presets = {"example": {"stages": stages}}
    write_info(tmp_path, {"fixtures": {labels.name: labels.to_dict()}, "presets": presets})
    analyse(tmp_path)
    return tmp_path


def turns_of(folder, **more):
    return list(spans_of_run(read_run(folder), read_metrics(folder), **more))


def by_name(spans):
    return {span.name: span for span in spans}


def test_a_turn_is_a_trace_with_a_span_per_piece_of_work(folder):
    first, second = turns_of(folder)
    spans = by_name(first)
    root = first[0]
    assert root.parent_id is None
    assert {span.parent_id for span in first[1:]} == {root.span_id}
    assert {span.trace_id for span in first} == {root.trace_id}
    assert root.trace_id != second[0].trace_id
    assert set(spans) == {
        "turn 0", "user speech", "endpointing delay", "stt", "chat creature-3m", "tts espeak",
        "agent speech",
    }  # fmt: skip


def test_times_are_unix_times_from_the_trials_beginning(folder):
    spans = by_name(turns_of(folder)[0])

    def ms(name):
        span = spans[name]
        return [(t - T0_UNIX_NS) / MS for t in (span.start_ns, span.end_ns)]

    # TurnPlan: u_on 500, u_off 2000, released 250 after, LLM 252 to 330, TTS from 331.
    assert ms("user speech") == [500, 2000]
    assert ms("endpointing delay") == [2000, 2250]
    assert ms("chat creature-3m") == [2252, 2330]
    assert ms("tts espeak") == [2331, 2340]
    assert ms("agent speech") == pytest.approx([2384, 3284], abs=0.1)
    assert ms("turn 0") == pytest.approx([500, 3284], abs=0.1)
    answer = next(s for s in turns_of(folder)[0] if s.name.startswith("chat") and not s.error)
    assert [(e.name, (e.t_ns - T0_UNIX_NS) / MS) for e in answer.events] == [
        ("llm.first_token", 2280),
        ("llm.first_speakable", 2280),
        ("llm.to_tts", 2330),
        ("llm.end", 2330),
    ]


def test_attributes_say_whose_it_is_and_what_was_found(folder):
    first, second = turns_of(folder)
    root = first[0].attributes
    assert root["duplex_lab.trial_id"] == "example.cmd_example.0"
    assert root["gen_ai.conversation.id"] == "example/example.cmd_example.0"
    assert root["duplex_lab.endpointing_delay_ms"] == 250
    assert root["duplex_lab.task_success_percent"] == 100
    assert root["duplex_lab.valid"] is True
    llm = next(s for s in first if s.name.startswith("chat") and not s.error).attributes
    assert llm["gen_ai.operation.name"] == "chat"
    assert llm["gen_ai.request.model"] == "creature-3m"
    assert llm["gen_ai.usage.output_tokens"] == 8
    assert second[0].error == "no answer"
    assert "duplex_lab.voice_to_voice_ms" not in second[0].attributes


def test_a_cancelled_request_is_reported_as_such(folder):
    (cancelled,) = [s for s in turns_of(folder)[0] if s.error == "cancelled"]
    assert cancelled.attributes["duplex_lab.request_id"] == "old"
    assert cancelled.end_ns - cancelled.start_ns == 50 * MS


def test_the_same_run_gives_the_same_ids_and_each_its_own(folder):
    spans = [span for turn in turns_of(folder) for span in turn]
    assert spans == [span for turn in turns_of(folder) for span in turn]
    assert len({span.span_id for span in spans}) == len(spans)
    # Known beforehand, so that a change of the rule is seen: what was sent would be there twice.
    assert ident(64, "example", "example.cmd_example.0", 0, "turn") == spans[0].span_id
    assert 0 < spans[0].trace_id < 2**128


def test_warm_ups_are_left_out_unless_asked_for(folder):
    assert len(turns_of(folder)) == 2
    assert len(turns_of(folder, warmups=True)) == 3


def test_the_frames_of_a_duplex_model_are_one_span(tmp_path):
    trial, marks, pcm = duplex_trial_of(DuplexPlan(frames=50))
    write(tmp_path, trial, marks, pcm, 24_000)
    analyse(tmp_path)
    ((root, *children),) = turns_of(tmp_path)
    frames = by_name(children)["duplex frames"]
    # 49 frames come out; those that end before the user's turn begins are of no turn.
    emitted = [m for m in marks if m.event == "frame_out" and m.t_ns >= trial.t0_ns + 400 * MS]
    assert frames.attributes["duplex_lab.frames"] == len(emitted)
    assert root.attributes["duplex_lab.weights"] == "scripted"


def test_a_trial_that_does_not_say_when_it_began_is_named(tmp_path):
    trial, marks, _ = trial_of([TurnPlan()])
    write_trial(tmp_path, replace(trial, recording=None), marks)
    with pytest.raises(StoreError, match="does not say when it began"):
        list(spans_of_run(read_run(tmp_path), []))


# Over the SDK


def test_the_sdk_takes_the_spans_with_our_ids_and_times(folder):
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    spans = turns_of(folder)[0]
    assert traces.send(spans, exporter) == len(spans)
    sent = exporter.get_finished_spans()
    assert [s.context.span_id for s in sent] == [s.span_id for s in spans]
    assert sent[0].parent is None and sent[1].parent.span_id == spans[0].span_id
    assert (sent[0].start_time, sent[0].end_time) == (spans[0].start_ns, spans[0].end_ns)
    assert dict(sent[0].attributes) == spans[0].attributes
    assert sent[0].resource.attributes["service.name"] == "duplex-lab"


@pytest.fixture
def collector():
    """An HTTP server that keeps what it is sent, and answers as it is told."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        status = 200

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Content-Type"], body))
            self.send_response(self.status)
            self.end_headers()

        def log_message(self, *words):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got, Handler
    server.shutdown()
    thread.join()
    server.server_close()


def invoke(*words):
    return CliRunner().invoke(bench.cli.main.app, ["export-traces", *map(str, words)])


def test_a_collector_receives_the_run_over_http(folder, collector):
    wire = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    endpoint, got, _ = collector
    done = invoke(folder, "--endpoint", endpoint)
    assert done.exit_code == 0, done.exception
    assert "2 turns as traces" in done.output
    ((path, kind, body),) = got
    assert (path, kind) == ("/v1/traces", "application/x-protobuf")
    request = wire.ExportTraceServiceRequest.FromString(body)
    spans = [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
    wanted = [span for turn in turns_of(folder) for span in turn]
    assert [int.from_bytes(s.span_id, "big") for s in spans] == [s.span_id for s in wanted]
    assert [s.start_time_unix_nano for s in spans] == [s.start_ns for s in wanted]


def test_a_collector_that_refuses_is_reported_in_a_sentence(folder, collector):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    endpoint, _, handler = collector
    handler.status = 400
    done = invoke(folder, "--endpoint", endpoint)
    assert isinstance(done.exception, LabError)
    assert "the traces were not taken" in str(done.exception)


def test_an_address_that_is_none_and_a_missing_extra_are_reported(folder, monkeypatch):
    done = invoke(folder, "--endpoint", "localhost:4318")
    assert "an address is needed" in str(done.exception)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    done = invoke(folder)
    assert isinstance(done.exception, LabError)
    assert "pip install 'duplex-lab[otel]'" in str(done.exception)
