"""Presets behind `duplex-lab serve`, as a program: what they say, and the run that it keeps.

Three conversations at once: duplex-nano twice, and a Pipecat bot that nobody here changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from bench.cli.main import app
from bench.fixtures.library import read_pcm, select
from bench.probes.served import FRAME, RATE_HZ, Talk, served, talk
from bench.store.store import read_run
from pipelines.audio.resample import resample
from pipelines.duplex.adapters import adapter_of
from pipelines.duplex.session.wire import int16_of_bytes, pcm_to_bytes
from pipelines.registry import load_object
from pipelines.spec import load_spec

pytestmark = pytest.mark.unhurried

FRAMES = 75
"""6 s."""
MOST_LATE_S = {"duplex-nano": 40.0, "bot-quickstart": 2.0}
"""Longest wait for a model's last frame, s; a bot is silent at the end."""
ANSWERED, SILENT = "cmd_toy_car", "cmd_dance"
"""Fixtures: one that duplex-nano answers, and one to which the model itself says nothing."""


def sentence(name: str) -> NDArray[np.int16]:
    """(n,) of a fixture at 24 kHz, with half a second of silence before it."""
    (fixture,) = select(name)
    pcm = resample(read_pcm(fixture.turns[0]), fixture.turns[0].rate_hz, RATE_HZ)
    return np.pad(pcm, (RATE_HZ // 2, FRAMES * FRAME))[: FRAMES * FRAME]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Talk]]:
    """The run's folder, and what each client heard."""
    folder = tmp_path_factory.mktemp("kept") / "run"
    asked = [("duplex-nano", ANSWERED), ("duplex-nano", SILENT), ("bot-quickstart", ANSWERED)]

    async def all_at_once(url: str) -> list[Talk]:
        all_listen = asyncio.Barrier(len(asked))
        return await asyncio.gather(
            *(
                talk(url, sentence(name), FRAMES, all_listen, preset, end_s=MOST_LATE_S[preset])
                for preset, name in asked
            )
        )

    with served("duplex-nano", "bot-quickstart", "--seats", "2", "--keep", str(folder)) as (url, _):
        talks = asyncio.run(all_at_once(url))
    return folder, {
        f"{preset} {name}": one for (preset, name), one in zip(asked, talks, strict=True)
    }


def alone(name: str) -> tuple[bytes, str]:
    """What the model says to the same frames without any server: int16, and its words."""
    options = load_spec("duplex-nano").stages["model"]
    row = adapter_of(options)
    paths = row.weights.arguments(options) if row.weights else {}
    arguments: Any = {**paths, **row.arguments(options, None)}
    model = load_object(row.path)(**arguments)
    model.load()
    with model.open(options.seed) as session:
        steps = [
            session.step(frame.astype(np.float32) / 32_768)
            for frame in sentence(name).reshape(-1, FRAME)
        ]
    pcm = b"".join(int16_of_bytes(pcm_to_bytes(s.pcm)) for s in steps if s.pcm is not None)
    return pcm, "".join(step.text for step in steps)


@pytest.mark.parametrize("name", [ANSWERED, SILENT])
def test_a_served_model_says_sample_for_sample_what_it_says_by_itself(kept, name):
    heard = kept[1][f"duplex-nano {name}"]
    pcm, words = alone(name)
    assert heard.error == "" and heard.words == words
    assert len(heard.pcm) == len(pcm) and bytes(heard.pcm) == pcm
    assert bool(words) is (name == ANSWERED)  # it is the model that has no word for the other


def test_a_bot_that_nobody_changed_greets_and_answers(kept):
    heard = kept[1][f"bot-quickstart {ANSWERED}"]
    assert heard.error == "" and len(heard.words.split()) > 3
    assert np.abs(np.frombuffer(bytes(heard.pcm), np.int16)).max() > 1_000


def test_the_kept_run_has_every_conversation_with_what_was_heard(kept):
    folder, talks = kept
    run = read_run(folder)
    assert sorted(trial.preset for trial in run.trials) == [
        "bot-quickstart",
        "duplex-nano",
        "duplex-nano",
    ]
    assert {trial.status for trial in run.trials} == {"ok"}
    said = talks[f"duplex-nano {ANSWERED}"].words
    texts = [
        "".join(m.text or "" for m in run.marks(t.trial_id) if m.event == "agent_text")
        for t in run.trials
    ]
    assert said in texts
    loud = [np.abs(run.recording(t)[:, 1].astype(np.int32)).max() > 1_000 for t in run.trials]
    assert sorted(loud) == [False, True, True]  # the model was silent in one


def test_show_and_report_open_it_and_the_page_names_its_presets(kept, tmp_path):
    folder, _ = kept
    runner = CliRunner()
    shown = runner.invoke(app, ["show", str(folder)])
    assert shown.exit_code == 0, shown.output
    assert "duplex-nano" in shown.output and "bot-quickstart" in shown.output
    reported = runner.invoke(app, ["report", str(folder), "--out", str(tmp_path / "page.html")])
    assert reported.exit_code == 0, reported.output
    page = next(tmp_path.rglob("*.html")).read_text(encoding="utf-8")
    assert "duplex-nano" in page and "bot-quickstart" in page
