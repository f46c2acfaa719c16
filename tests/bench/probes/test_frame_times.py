"""Unpaced service: exact figures on made replies, and the command on a scripted model."""

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from bench.cli import frame_times as cli_service
from bench.cli.main import app
from bench.probes.frame_times import block, paired_ratios, service
from pipelines.duplex.session.wire import Reply
from pipelines.errors import LabError, ModelError
from pipelines.marks import EventName

MS = 1_000_000
TRIES = 5
"""Runs of a scripted model of which one must be on time."""


def replies(n: int, *, every_ms: float, encode: float = 20, step: float = 30, decode: float = 10):
    """Frames completed every so often, each with stages of the same length."""
    made = []
    for t in range(n):
        done = round((t + 1) * every_ms * MS)
        start = done - round((encode + step + decode) * MS)
        stamps: dict[EventName, int] = {
            "ready": start,
            "start": start,
            "encoded": start + round(encode * MS),
            "stepped": start + round((encode + step) * MS),
            "decode_start": start + round((encode + step) * MS),
            "done": done,
        }
        made.append(Reply(t, stamps))
    return made


def test_service_is_the_interval_between_completed_frames():
    found = service("serial", [block("serial", replies(125, every_ms=60))])
    assert found is not None
    assert (found.n, found.p50_ms, found.p99_ms, found.mean_ms) == (100, 60, 60, 60)
    assert (found.rtf, found.headroom_ms) == (0.75, 20)
    assert found.spans_p50_ms == {"encode": 20, "step": 30, "decode": 10}


def test_the_two_parts_of_a_step_have_times_of_their_own_where_the_model_tells_them():
    told = replies(60, every_ms=80)
    parts = [
        dataclasses.replace(r, stamps=r.stamps | {"depth_start": r.stamps["encoded"] + 21 * MS})
        for r in told
    ]
    found = service("serial", [block("serial", parts)])
    assert found is not None
    spans = {"encode": 20, "step": 30, "temporal": 21, "depth": 9, "decode": 10}
    assert found.spans_p50_ms == spans


def test_the_first_25_frames_do_not_count_whatever_they_took():
    slow = replies(25, every_ms=400)
    last = slow[-1].stamps["done"]
    fast = [
        Reply(25 + r.frame, {k: v + last for k, v in r.stamps.items()})
        for r in replies(100, every_ms=60)
    ]
    assert block("serial", [*slow, *fast]).service_ms == (60.0,) * 100


def test_of_a_slow_model_a_quarter_at_most_is_left_out_and_no_p99_is_claimed():
    of = block("serial", replies(12, every_ms=4000))
    assert (of.discarded, len(of.service_ms)) == (3, 9)
    found = service("serial", [of])
    assert found is not None and found.p99_ms is None and found.headroom_ms is None


def test_pairs_are_compared_block_by_block():
    blocks = [
        block("serial", replies(40, every_ms=100)),
        block("pipelined", replies(40, every_ms=70)),
        block("pipelined", replies(40, every_ms=60)),
        block("serial", replies(40, every_ms=80)),
    ]
    assert paired_ratios(blocks) == [pytest.approx(0.7), pytest.approx(0.75)]


def test_an_empty_block_takes_its_pair_along_and_shifts_no_other():
    full = [block("pipelined", replies(40, every_ms=ms)) for ms in (70, 60)]
    one = [block("serial", []), full[0], full[1], block("serial", replies(40, every_ms=80))]
    assert paired_ratios(one) == [pytest.approx(0.75)]


def test_p99_is_a_value_that_was_measured():
    stamps = replies(125, every_ms=60)
    late = [dataclasses.replace(r, stamps={k: v + 9 * MS for k, v in r.stamps.items()})
            for r in stamps[-1:]]  # fmt: skip
    found = service("serial", [block("serial", [*stamps[:-1], *late])])
    assert found is not None and found.p99_ms == 60


def test_without_a_frame_there_is_no_figure():
    assert service("serial", []) is None
    assert service("pipelined", [block("serial", replies(4, every_ms=1))]) is None


@pytest.mark.realtime
def test_the_command_measures_a_scripted_model_of_known_service(tmp_path):
    file = tmp_path / "service.json"
    args = ["service", "duplex-scripted-60ms", "--frames", "30", "--pairs", "1"]
    means = []
    for _ in range(TRIES):  # a stalled machine makes a script hurry after its deadlines
        result = CliRunner().invoke(app, [*args, "--ways", "serial", "--json", str(file)])
        assert result.exit_code == 0, result.output
        (row,) = json.loads(file.read_text())["presets"]
        values = row["blocks"][0]["service_ms"]
        means.append(sum(values) / len(values))
        if abs(means[-1] - 60) <= 1:
            return
    pytest.fail(f"no run had a mean of 60 ms: {means}")


def test_one_preset_that_fails_takes_no_others_figures_along(tmp_path, monkeypatch):
    async def measured(spec, ways, *_):
        if spec.name == "duplex-scripted-86ms":
            raise ModelError("it crashed: run again.")
        return [block(way, replies(40, every_ms=60)) for way in ways]

    monkeypatch.setattr(cli_service, "_measure", measured)
    file = tmp_path / "service.json"
    presets = "duplex-scripted-60ms,duplex-scripted-86ms,duplex-scripted-86ms-drop"
    result = CliRunner().invoke(app, ["service", presets, "--json", str(file)])
    assert result.exit_code == 1
    assert "duplex-lab: duplex-scripted-86ms: it crashed: run again.\n" in result.stderr
    assert "duplex-scripted-86ms-drop" in result.stdout
    saved = json.loads(file.read_text())
    names = [row["preset"] for row in saved["presets"]]
    assert names == ["duplex-scripted-60ms", "duplex-scripted-86ms-drop"]
    assert saved["failed"] == [
        {"preset": "duplex-scripted-86ms", "error": "it crashed: run again."}
    ]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["cascade-embedded"], "only duplex models"),
        (["duplex-scripted-60ms", "--ways", "fast"], "--ways fast: unknown"),
        ([","], "name at least one"),
    ],
)
def test_what_can_not_be_run_unpaced_is_reported(args, said):
    result = CliRunner().invoke(app, ["service", *args])
    assert isinstance(result.exception, LabError)
    assert said in str(result.exception)
