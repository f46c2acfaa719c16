"""``duplex-lab talk --local``: this machine's microphone and speaker, without a browser."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bench.report.text.console import console
from bench.report.text.listing import Column, Format, Listing, print_lists
from pipelines.errors import LabError

if TYPE_CHECKING:
    from pipelines.server.devices.card import SoundCard
    from pipelines.server.devices.talk import Ends
    from pipelines.server.session.events import Event
    from pipelines.server.session.log import SessionLog

COLUMNS = (
    Column("number", "number", is_figure=True),
    Column("device", "name"),
    Column("records", "inputs", is_figure=True),
    Column("plays", "outputs", is_figure=True),
    Column("rate, Hz", "rate_hz", is_figure=True),
    Column("default", "default"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    microphone: str = ""
    speaker: str = ""
    second: str = ""
    cool_down_ms: int | None = None
    """None: as the preset says."""
    keep: Path | None = None


def card() -> SoundCard:
    """This machine's sound card.

    Raises:
        DeviceError: what it needs is not installed.
    """
    from pipelines.server.devices.portaudio import PortAudio

    return PortAudio()


def list_devices() -> None:
    """Prints the devices of this machine.

    Raises:
        DeviceError: there is no sound card, or no library for one.
    """
    from pipelines.server.devices.card import DeviceError

    rows = tuple(asdict(device) for device in card().devices())
    if not rows:
        raise DeviceError("This machine has no sound card: no microphone and no speaker.")
    print_lists(Format.table, Listing("devices", COLUMNS, rows))


def talk_local(preset: str, wanted: Wanted) -> None:
    """Talks until Ctrl-C.

    Args:
        preset: Its name or file.
        wanted: Devices, and what is kept.

    Raises:
        LabError: a device is not there, or the preset can't be talked to.
    """
    from pipelines.server.devices.talk import ends
    from pipelines.server.session.forms import spec_of, step_model_of
    from pipelines.spec import DeviceOptions

    if wanted.second and wanted.keep is None:
        raise LabError("--second is recorded only: name the folder too, --keep FOLDER.")
    device = DeviceOptions() if step_model_of(preset) else spec_of(preset).device
    cool_down_ms = device.speaker.cool_down_ms
    if wanted.cool_down_ms is not None:
        cool_down_ms = wanted.cool_down_ms
    sound = card()
    where = ends(
        sound, wanted.microphone, wanted.speaker, wanted.second, cool_down_ms, device.microphone
    )
    with _kept(wanted.keep) as log:
        asyncio.run(_talk(preset, sound, where, log))
    if wanted.keep is not None:
        console().line(f"Run: {wanted.keep}   table: duplex-lab show {wanted.keep}")


@contextlib.contextmanager
def _kept(folder: Path | None) -> Iterator[SessionLog]:
    from bench.recorded.kept import RunLog
    from pipelines.server.session.log import NoLog

    with RunLog(folder) if folder else contextlib.nullcontext(NoLog()) as log:
        yield log


async def _talk(preset: str, sound: SoundCard, where: Ends, log: SessionLog) -> None:
    from pipelines.server.app.run import until_asked_to_end
    from pipelines.server.devices.second import WithSecond
    from pipelines.server.devices.talk import talk_here
    from pipelines.server.session import session

    around = WithSecond(log, keeps=log.keeps)
    console().say(f"Loading {preset} …")
    talk = session(preset, log=around, tell=lambda text: typer.echo(text, err=True))
    async with talk:
        talking = asyncio.create_task(talk_here(talk, sound, where, Words().tell, around))
        asked = asyncio.create_task(until_asked_to_end(lambda: _announce(where)))
        try:
            await asyncio.wait({talking, asked}, return_when=asyncio.FIRST_COMPLETED)
            await talk.stop()
            await talking
        finally:
            asked.cancel()


def _announce(where: Ends) -> None:
    heard = where.microphone.name if where.microphone else "nobody"
    console().say(f"Talk: {heard} is heard, {where.speaker.name} answers. Ctrl-C ends it.")
    if where.cool_down_ms is not None:
        console().say(
            "Half-duplex: the microphone is closed while the agent speaks, and "
            f"{where.cool_down_ms} ms after."
        )


class Words:
    """Prints who says what, as it is said."""

    def __init__(self) -> None:
        self._agent = ""

    def tell(self, event: Event) -> None:
        """Takes every event but audio."""
        from pipelines.server.session import events as of

        if isinstance(event, of.AssistantPartial):
            self._agent += event.text
        elif isinstance(event, of.UserPartial) and event.final:
            console().say(f"you:   {event.text}")
        elif isinstance(event, of.LatencyMark) and event.name == "first_audio":
            console().say(f"       answered after {event.ms:.0f} ms", "dim")
        elif isinstance(event, of.Failure):
            console().say(f"error: {event.message}")
        elif isinstance(event, of.Closed) and event.reason:
            console().say(f"Closed: {event.reason}")
        if self._agent and isinstance(event, of.TurnEnd | of.Interruption | of.Closed):
            cut = " …" if isinstance(event, of.Interruption) else ""
            console().say(f"agent: {self._agent.strip()}{cut}")
            self._agent = ""
