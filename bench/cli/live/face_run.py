"""``duplex-lab face --fixtures``: recorded users talk to a preset, and its face is measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.live.announce import announce
from bench.report.text.console import console
from bench.store.results import RESULTS, new_run_id
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.runner.plan import Plan
    from bench.store.face_frames import FaceFrame
    from pipelines.server.app.thread import Serving
    from pipelines.server.config.tables import FaceOptions

TAP = "pipelines.face.tap:tap"
LAST_ROWS_S = 2.5
"""Wait for the last rows, s: a page reports its measurements every second."""


def run_with_face(
    plan: Plan,
    face: FaceOptions,
    port: int,
    https: bool,
    open_page: bool,
    wait_s: float,
    out: Path | None,
) -> bool:
    """Plays a plan to a page.

    Args:
        plan: Presets and fixtures.
        face: Its messages.
        port: Port of the page.
        https: Whether a phone may open it.
        open_page: Whether this machine's browser does.
        wait_s: Longest wait for a page, s.
        out: Folder of the run.

    Returns:
        Whether something was wrong.

    Raises:
        LabError: no page came, or the run can't be played.
    """
    from bench.runner.progress import progress
    from bench.runner.run import provide
    from pipelines.server.app.thread import Serving
    from pipelines.server.stage import Stage

    with progress() as watch:
        provide(plan, watch)  # a missing part is reported before anybody opens a page
    run_dir = out or RESULTS / new_run_id([spec.name for spec in plan.specs])
    stage = Stage(f"{plan.specs[0].title} · recorded users")
    with Serving(stage, port, https) as serving:
        announce(serving.url, https, open_page)
        console().say(f"Waiting for the page: press its start button (at most {wait_s:.0f} s) …")
        if not serving.wait_ready(wait_s):
            raise LabError(
                f"No page with its sound on within {wait_s:.0f} s: open {serving.url} in a "
                "browser and press Start."
            )
        return _run(plan, run_dir, serving, face)


def _run(plan: Plan, run_dir: Path, serving: Serving, face: FaceOptions) -> bool:
    """Plays the plan with the face attached; returns True if something was wrong."""
    from bench.runner.progress import progress
    from bench.runner.run import execute
    from bench.runner.session import Beside
    from bench.store.face_frames import LIMIT_MS, offsets, write_face

    options = {
        "url": serving.feed_url,
        "version": face.version,
        "states": str(face.states.resolve()) if face.states else None,
    }
    beside = Beside((TAP,), {"face": options})
    try:
        with progress() as watch:
            failed = execute(plan, run_dir, resume=False, watch=watch, beside=beside)
    finally:
        if run_dir.is_dir():
            frames = _gather(serving)
            path = write_face(run_dir, frames)
    found = offsets(frames)
    console().line(f"Run: {run_dir}   table: duplex-lab show {run_dir}")
    if found.abs_p95_ms is None:
        console().say("No frame was both heard and seen: was the page open, and its sound on?")
        return True
    console().line(
        f"Audio to mouth (drawn − heard, {found.frames} frames of 80 ms): "
        f"p5 {found.p5_ms:+.1f}, p50 {found.p50_ms:+.1f}, p95 {found.p95_ms:+.1f} ms; "
        f"|p95| {found.abs_p95_ms:.1f} ms (at most {LIMIT_MS:.0f})   {path}"
    )
    for page, report in enumerate(serving.stage.reports):
        if report.stats and report.ready:
            s = report.stats
            console().say(
                f"Page {page}: {s.get('fps', 0):.0f} frames a second, {s.get('malformed')} "
                f"malformed messages, {s.get('connections')} connections"
            )
    return failed > 0 or found.abs_p95_ms > LIMIT_MS


def _gather(serving: Serving) -> list[FaceFrame]:
    """The pages' measurements, once the last second of them has arrived."""
    from bench.store.face_frames import frames_of

    serving.sleep(LAST_ROWS_S)
    return [
        frame
        for page, report in enumerate(serving.stage.reports)
        for frame in frames_of(report.rows, page, report.clocks.rtt_ns, report.clocks.offset_ns)
    ]
