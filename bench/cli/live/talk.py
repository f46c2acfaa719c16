"""``duplex-lab face`` and ``talk``: speak with a preset in the browser, or let recorded users."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.console import console
from bench.store.results import RESULTS, new_run_id
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.runner.plan import Plan
    from bench.store.face_frames import FaceFrame
    from pipelines.server.serving import Serving
    from pipelines.spec import PipelineSpec

TAP = "pipelines.face.tap:tap"
LAST_ROWS_S = 2.5
"""Wait for the last rows, s: a page reports its measurements every second."""

Preset = Annotated[str, typer.Argument(help="A preset (see 'presets list') or a .toml file.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: a free one.")]
Https = Annotated[
    bool,
    typer.Option(
        "--https",
        help="For a phone in the same network: a self-signed certificate, and a QR code (a "
        "phone gives camera and microphone only to https).",
    ),
]
Open = Annotated[bool, typer.Option(help="Open the page in this machine's browser.")]


def face(
    preset: Preset = "cascade-embedded",
    fixtures: Annotated[
        str | None,
        typer.Option(
            help="Let recorded users talk to it, and measure: names, patterns or tags (quick)."
        ),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=1, help="Number of times that each fixture is played.")
    ] = 1,
    version: Annotated[
        int,
        typer.Option(min=1, max=2, help="Version of the messages: 1 presets, 2 plane and visemes."),
    ] = 2,
    states: Annotated[
        Path | None, typer.Option(help="Your own table of states, as pipelines/face/states.toml.")
    ] = None,
    port: Port = 8080,
    https: Https = False,
    open_page: Open = True,
    wait_s: Annotated[
        float, typer.Option(min=1, help="Longest wait for a page with its sound on, s.")
    ] = 300.0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; default results/<time>-<preset>.")
    ] = None,
) -> None:
    """Start a preset with its face in the browser: by microphone, or with --fixtures.

    With --fixtures it is a run like those of 'run', with the face attached: face.parquet in its
    folder holds the audio-to-mouth offset of each frame. Exit codes: 0 done; 1 trials failed, or
    the mouth is off by more than a frame; 2 bad input.
    """
    from bench.runner.progress import progress
    from pipelines.spec import load_spec

    spec = load_spec(preset)
    if states is not None:
        from pipelines.face.states import read_policy

        read_policy(states)  # a fault of the plan is reported before anything runs
    if fixtures is None:
        _live(spec, version, states, port, https, open_page, plain=False)
        return
    from bench.runner.plan import make_plan
    from bench.runner.run import provide
    from pipelines.server.server import FaceServer
    from pipelines.server.serving import Serving

    plan = make_plan(preset, fixtures, repeats)
    with progress() as watch:
        provide(plan, watch)  # a missing part is reported before anybody opens a page
    run_dir = out or RESULTS / new_run_id([spec.name for spec in plan.specs])
    server = FaceServer(f"{spec.title} · recorded users")
    with Serving(server, port, https) as serving:
        _announce(serving, https, open_page)
        console().say(f"Waiting for the page: press its start button (at most {wait_s:.0f} s) …")
        if not serving.wait_ready(wait_s):
            raise LabError(
                f"No page with its sound on within {wait_s:.0f} s: open {serving.url} in a "
                "browser and press Start."
            )
        failed = _run(plan, run_dir, serving, version, states)
    if failed:
        raise typer.Exit(1)


def talk(
    preset: Preset = "cascade-embedded",
    port: Port = 8080,
    https: Https = False,
    open_page: Open = True,
    local: Annotated[
        bool,
        typer.Option("--local", help="By this machine's microphone and speaker: no browser."),
    ] = False,
    list_devices: Annotated[
        bool, typer.Option("--list-devices", help="Print this machine's microphones and speakers.")
    ] = False,
    microphone: Annotated[
        str, typer.Option("--input", metavar="DEVICE", help="Microphone: its number or name.")
    ] = "",
    speaker: Annotated[
        str, typer.Option("--output", metavar="DEVICE", help="Speaker: its number or name.")
    ] = "",
    second: Annotated[
        str,
        typer.Option(
            metavar="DEVICE|FILE",
            help="Another input (system audio) or a WAV file, kept beside the recording of --keep; "
            "the agent does not hear it.",
        ),
    ] = "",
    cool_down_ms: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=10_000,
            help="A half-duplex device: the microphone is closed while the agent speaks, and so "
            "long after.",
            show_default="as the preset's [device.speaker] says",
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep a --local conversation in this run's folder."),
    ] = None,
) -> None:
    """Talk to a preset by microphone, without a face (Ctrl-C ends it).

    In the browser; with --local by this machine's own microphone and speaker, in this process and
    without any network.
    """
    if local or list_devices:
        from bench.cli.live import local as here

        if list_devices:
            here.list_devices()
        else:
            here.talk_local(preset, here.Wanted(microphone, speaker, second, cool_down_ms, keep))
        return
    given = {"--input": microphone, "--output": speaker, "--second": second, "--keep": keep}
    for option, value in given.items():
        if value:
            raise LabError(f"{option} is for --local: the browser chooses its own devices.")
    if cool_down_ms is not None:
        raise LabError("--cool-down-ms is for --local: a browser cancels its own echo.")
    from pipelines.spec import load_spec

    _live(load_spec(preset), 2, None, port, https, open_page, plain=True)


def _live(
    spec: PipelineSpec,
    version: int,
    states: Path | None,
    port: int,
    https: bool,
    open_page: bool,
    plain: bool,
) -> None:
    from pipelines.registry import architecture, load_object
    from pipelines.server.live import Call, check_installed
    from pipelines.server.server import FaceServer
    from pipelines.server.serving import Serving

    if architecture(spec.architecture).converse:
        raise LabError(
            f"{spec.name} is a bot that brings its own pipeline and transport: talk to it as it "
            "is run by Pipecat (python BOT.py -t webrtc), or let recorded users do it here: "
            "duplex-lab face PRESET --fixtures quick."
        )
    check_installed()
    if spec.sees_labels:
        raise LabError(
            f"{spec.name} is scripted by its fixtures' labels, which a live user has not: "
            "choose another preset, or give --fixtures."
        )
    if provide := architecture(spec.architecture).provide:
        load_object(provide)(spec, lambda text: typer.echo(f"{spec.name}: {text}", err=True))
    call = Call(spec, version, states)
    server = FaceServer(f"{spec.title} · live", "live", call.offer, plain)
    call.feed = server
    with Serving(server, port, https, beside=call.run) as serving:
        console().say(f"Loading {spec.name} …")
        serving.wait_loaded()
        _announce(serving, https, open_page)
        console().say("Ctrl-C ends it.")
        serving.wait_for_ever()


def _announce(serving: Serving, https: bool, open_page: bool) -> None:
    console().line(f"The face: {serving.url}")
    if https:
        from pipelines.certificate import qr_code

        typer.echo(qr_code(serving.url))
        console().say("The certificate is this machine's own: the browser will warn once.")
    elif open_page:
        webbrowser.open(serving.url)


def _run(plan: Plan, run_dir: Path, serving: Serving, version: int, states: Path | None) -> bool:
    """Plays the plan with the face attached; returns True if something was wrong."""
    from bench.runner.progress import progress
    from bench.runner.run import execute
    from bench.runner.session import Beside
    from bench.store.face_frames import LIMIT_MS, offsets, write_face

    options = {
        "url": serving.feed_url,
        "version": version,
        "states": str(states.resolve()) if states else None,
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
    for page, report in enumerate(serving.server.reports):
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
        for page, report in enumerate(serving.server.reports)
        for frame in frames_of(report.rows, page, report.clocks.rtt_ns, report.clocks.offset_ns)
    ]
