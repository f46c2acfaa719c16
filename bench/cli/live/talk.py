"""``duplex-lab face`` and ``talk``: `serve` for one person, with a page that opens by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.live.announce import announce
from bench.report.text.console import console
from pipelines.errors import LabError
from pipelines.server.config.tables import FaceOptions

DOORS = ("pages", "webrtc")
"""Doors that a person with a browser needs."""

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
    options = FaceOptions(version, states)
    if states is not None:
        from pipelines.face.states import read_policy

        read_policy(states)  # a fault of the plan is reported before anything runs
    if fixtures is None:
        _live(preset, "/face", options, port, https, open_page)
        return
    from bench.cli.live.face_run import run_with_face
    from bench.runner.plan import make_plan

    plan = make_plan(preset, fixtures, repeats)
    if run_with_face(plan, options, port, https, open_page, wait_s, out):
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
    _live(preset, "/talk", FaceOptions(), port, https, open_page)


def _live(
    preset: str, page: str, options: FaceOptions, port: int, https: bool, open_page: bool
) -> None:
    """Serves one preset to one person at a time: a new call ends the one before.

    Raises:
        LabError: a package is missing, or nobody can talk to the preset.
    """
    from bench.cli.live.opening import doors_of, quiet_logs, service_of, until_asked
    from pipelines.server.access.key import PageKey
    from pipelines.server.app.address import Address, for_phones
    from pipelines.server.app.run import check_installed, serving
    from pipelines.server.config.config import Values, read_config
    from pipelines.server.doors.door import People

    check_installed("talk")
    one: Values = {"serve": {"presets": (preset,), "doors": DOORS}, "limits": {"seats": 1}}
    config = read_config(None, one)
    doors, service = doors_of(config), service_of(config)
    quiet_logs()
    address = for_phones(port) if https else Address(port=port)
    key = PageKey() if https else None
    title = next((spec.title for spec in service.specs), preset)
    people = People(options, f"{title} · live", newest=True, key=key)

    def listens(url: str) -> None:
        announce(url + page + (key.query if key else ""), https, open_page)
        console().say("Ctrl-C ends it.")

    served = serving(service, address, doors=doors, people=people)
    asyncio.run(until_asked(served, service.names, listens))
