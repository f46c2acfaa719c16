"""A preset: the pipeline to measure, with its options. One TOML file, checked.

The stages' tables are turned into the option dataclasses of their architecture, so that a misspelt
key or a value of the wrong type is reported before anything runs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pipelines.errors import SpecError
from pipelines.guards.ranges import Range, RateHz, WholeMs, outside
from pipelines.guards.texts import fit_name, parse_toml, toml_string, whole
from pipelines.kinds import Kind, Modality, Weights
from pipelines.network.conditions import OWN, Direction, Network, NetworkOptions
from pipelines.network.named import NETWORKS

PRESETS = Path(__file__).parent / "presets"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AudioOptions:
    """Rates and chunking at the pipeline's two ends."""

    in_rate_hz: RateHz = 16000
    """Rate that the microphone delivers; the caller speaks at it."""
    out_rate_hz: RateHz = 22050
    """Rate that the agent writes; best the TTS's own rate (a resampler holds audio back)."""
    out_10ms_chunks: Annotated[int, Range(1, 100, "pieces of 10 ms")] = 1
    """Number of 10 ms pieces that Pipecat's output transport writes at a time."""
    device_buffer_ms: Annotated[int, Range(0, 2_000, "ms")] = 40
    """Largest lead of a write over the audio heard, ms."""
    preroll_ms: WholeMs = 0
    """Pre-roll B of the ear's jitter buffer, ms: the wait of audio that meets silence."""
    stretch: bool = False
    """True if the ear makes audio last longer, pitch kept, while its queue is short: for duplex
    models that are slower than real time."""


@dataclass(frozen=True, slots=True)
class SpeakerOptions:
    """The loudspeaker of a device on which somebody talks to the preset."""

    cool_down_ms: WholeMs | None = None
    """Time after its last sound for which the microphone stays closed, ms, as on a half-duplex
    device; left out: the microphone is always open."""


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """What the preset asks of the device on which somebody talks to it (``talk --local``)."""

    microphone: bool = True
    """Whether it hears; else no microphone is opened."""
    speaker: SpeakerOptions = field(default_factory=SpeakerOptions)
    """Its loudspeaker."""


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """One preset."""

    name: str
    """The file's name without its ending."""
    title: str
    """A few words for tables."""
    architecture: str
    """Key of `pipelines.registry.ARCHITECTURES`."""
    weights: Weights
    """Label of every row of its results."""
    kind: Kind
    """Kind, which decides the validity rule of metrics.md."""
    description: str = ""
    """Its purpose, in a sentence or two."""
    modalities: tuple[Modality, ...] = ("voice-to-voice",)
    """What it makes of what."""
    sees_labels: bool = False
    """True if the agent may see the fixture's labels: scripted presets only."""
    audio: AudioOptions = field(default_factory=AudioOptions)
    """Rates and chunking."""
    network: Network | None = None
    """The network between user and agent; None: nothing stands between them."""
    device: DeviceOptions = field(default_factory=DeviceOptions)
    """What it asks of the device on which somebody talks to it."""
    stages: Mapping[str, Any] = field(default_factory=dict)
    """Stage name → its options, an instance of the architecture's dataclass for that stage."""
    toml: str = ""
    """Text that it was read from: kept with every run, so that a run can be resumed."""

    @property
    def babbles(self) -> bool:
        """True if it speaks at any time and not when it is asked: random weights of a model that
        hears and speaks at once. A cascade with random weights answers, in random words.
        """
        return self.weights == "synthetic" and self.kind == "duplex"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)``, or empty where no known word is similar."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


@functools.cache  # each string of an annotation is compiled anew
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _fits(value: object, kind: Any) -> bool:
    origin = typing.get_origin(kind)
    if origin is Annotated:
        return _fits(value, typing.get_args(kind)[0])
    if kind is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, k) for k in typing.get_args(kind))
    if origin is Literal:
        return value in typing.get_args(kind)
    if origin in (tuple, list):
        inner = typing.get_args(kind)[0]
        return isinstance(value, (list, tuple)) and all(_fits(v, inner) for v in value)
    if origin in (dict, Mapping) or origin is not None:
        return isinstance(value, Mapping)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _type_name(kind: Any) -> str:
    if typing.get_origin(kind) is Annotated:
        return _type_name(typing.get_args(kind)[0])
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(map(repr, typing.get_args(kind)))
    if typing.get_origin(kind) in (tuple, list):
        return f"a list of {_items_name(typing.get_args(kind)[0])}"
    if typing.get_origin(kind) in (dict, Mapping):
        return "a table"
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return " or ".join(_type_name(k) for k in typing.get_args(kind) if k is not type(None))
    plain = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return plain.get(kind, str(kind))


def _items_name(kind: Any) -> str:
    plain = {int: "whole numbers", float: "numbers", str: "texts"}
    return plain.get(kind) or _type_name(kind)


def _keys_of(number: float, value: object) -> list[str]:
    """The keys by which a number lies in tables within tables; none where it is no table's."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if one is number:
                return [key]
            if keys := _keys_of(number, one):
                return [key, *keys]
    return []


def _as_toml(value: object) -> str:
    """A value, its truth as TOML writes it."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _near(value: object, kind: Any) -> str:
    """`did_you_mean` of a word that is not among those of a ``Literal``."""
    words = [w for w in typing.get_args(kind) if isinstance(w, str)]
    is_word = typing.get_origin(kind) is Literal and isinstance(value, str)
    return did_you_mean(str(value), words) if is_word else ""


def read_options(cls: type[T], table: object, where: str) -> T:
    """Makes a frozen options dataclass of a TOML table.

    Args:
        cls: The dataclass; its fields may be bool, int, float, str, ``X | None``, ``Literal``,
            and ``tuple[X, ...]``.
        table: The table of the TOML file.
        where: File and table, for the error's text.

    Raises:
        SpecError: an unknown key, a missing one, or a value of the wrong type or out of range.
    """
    if not isinstance(table, Mapping):
        raise SpecError(f"{where}: a table is needed, not {table!r}.")
    hints = _hints(cls)  # type: ignore[arg-type]
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in fields:
            raise SpecError(
                f"{where}: unknown key {key!r}{did_you_mean(key, fields)}; "
                f"known: {', '.join(fields)}."
            )
        if not _fits(value, hints[key]):
            must = f"{_type_name(hints[key])}{_near(value, hints[key])}"
            raise SpecError(f"{where}: {key} = {_as_toml(value)} must be {must}.")
        for number, allowed in outside(value, hints[key]):
            must = str(allowed) if allowed else "finite"
            place = ".".join([key, *_keys_of(number, value)])
            raise SpecError(f"{where}: {place} = {number!r} must be {must}.")
        values[key] = tuple(value) if isinstance(value, list) else value
    for name, f in fields.items():
        no_default = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if no_default and name not in values:
            raise SpecError(f"{where}: the key {name!r} is missing.")
    try:
        return cls(**values)
    except ValueError as error:
        raise SpecError(f"{where}: {error}.") from None


def preset_names(folder: Path = PRESETS) -> list[str]:
    """Names of the shipped presets, sorted."""
    return sorted(p.stem for p in folder.glob("*.toml"))


def load_spec(name_or_path: str) -> PipelineSpec:
    """Loads a preset by name, or from a TOML file of the user's.

    Raises:
        SpecError: there is no such preset, or it is not right; the text says where.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = PRESETS / f"{name_or_path}.toml"
    if name_or_path.endswith(".toml") and not path.exists():
        raise SpecError(
            f"There is no file {name_or_path!r}; 'duplex-lab presets' lists the presets that need "
            "none."
        )
    if not path.is_file():
        known = preset_names()
        raise SpecError(
            f"There is no preset {name_or_path!r}{did_you_mean(name_or_path, known)}; "
            f"known: {', '.join(known)}; or give the path of a .toml file."
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: is no text in UTF-8: {error}.") from None
    except OSError as error:
        raise SpecError(f"{path}: can't be read: {error.strerror}.") from None
    if path.parent != PRESETS:
        text = with_folder(text, path.parent)
    return parse_spec(fit_name(path.stem), text)


def with_folder(text: str, folder: Path) -> str:
    """A bot's preset with the folder that its path is relative to: a run is resumed without it."""
    with contextlib.suppress(tomllib.TOMLDecodeError):
        table = parse_toml(text)
        if "bot" in table and "bot_folder" not in table:
            return f"bot_folder = {toml_string(_writable(folder.resolve()))}\n{text}"
    return text


def _writable(folder: Path) -> str:
    """The folder as a text that a preset's file can hold."""
    if whole(str(folder)) != str(folder):
        raise SpecError(f"{whole(str(folder))}: the folder's name is not UTF-8: rename it.")
    return str(folder)


def _of_bot(table: dict[str, Any], where: str) -> dict[str, Any]:
    """``bot = "my_bot.py"`` stands for a whole preset: missing keys are filled in."""
    bot, folder = table.pop("bot"), table.pop("bot_folder", None)
    options = {"file": bot} if isinstance(bot, str) else bot
    if isinstance(options, Mapping) and folder is not None:
        options = {"folder": folder, **options}
    file = options.get("file", "") if isinstance(options, Mapping) else ""
    if table.get("architecture", "bot") != "bot":
        raise SpecError(
            f"{where}: bot = … is a pipeline of its own: leave architecture = "
            f"{table['architecture']!r} out."
        )
    filled = {
        "title": f"Your own bot, {Path(str(file)).name}",
        "architecture": "bot",
        "kind": "cascade",
        "weights": "trained",
    }
    return {**filled, **table, "bot": options}


def read_network(table: object, where: str) -> Network:
    """The network of a preset's table ``[network]``.

    Args:
        table: The table of the TOML file.
        where: File, for the error's text.

    Raises:
        SpecError: an unknown name or key, or a value out of range.
    """
    options = read_options(NetworkOptions, table, f"{where} [network]")
    if options.name:
        if options.up or options.down:
            raise SpecError(
                f"{where} [network]: name = {options.name!r} says both ways: leave it out, or "
                "leave up and down out."
            )
        if options.name not in NETWORKS:
            raise SpecError(
                f"{where} [network]: there is no network {options.name!r}"
                f"{did_you_mean(options.name, NETWORKS)}; known: {', '.join(NETWORKS)}."
            )
        return dataclasses.replace(NETWORKS[options.name], seed=options.seed)
    if not options.up and not options.down:
        raise SpecError(
            f"{where} [network]: give a name ('duplex-lab networks' lists them), or [network.up] "
            "and [network.down]."
        )
    up = read_options(Direction, options.up, f"{where} [network.up]")
    down = read_options(Direction, options.down, f"{where} [network.down]")
    return Network(OWN, up, down, seed=options.seed)


def read_device(table: object, where: str) -> DeviceOptions:
    """The device of a preset's table ``[device]``.

    Raises:
        SpecError: an unknown key, or a value out of range.
    """
    if not isinstance(table, Mapping) or "speaker" not in table:
        return read_options(DeviceOptions, table, f"{where} [device]")
    speaker = read_options(SpeakerOptions, table["speaker"], f"{where} [device.speaker]")
    rest = {key: value for key, value in table.items() if key != "speaker"}
    device = read_options(DeviceOptions, rest, f"{where} [device]")
    return dataclasses.replace(device, speaker=speaker)


def parse_spec(name: str, text: str) -> PipelineSpec:
    """Reads a preset from the text of its TOML file.

    Raises:
        SpecError: it is not right; the text says where.
    """
    from pipelines.registry import stage_options  # registry imports this module's errors

    where = f"{name}.toml"
    try:
        table = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{where}: not valid TOML: {error}.") from None
    if "bot" in table:
        table = _of_bot(table, where)
    architecture = str(table.get("architecture", ""))
    stage_classes = stage_options(architecture, where=where)
    apart = {*stage_classes, "audio", "network", "device"}
    top = {k: v for k, v in table.items() if k not in apart}
    stages: dict[str, Any] = {
        stage: read_options(cls, table.get(stage, {}), f"{where} [{stage}]")
        for stage, cls in stage_classes.items()
    }
    for reserved in ("name", "stages", "toml"):
        if reserved in top:
            raise SpecError(f"{where}: {reserved!r} can't be set in the file.")
    for key, value in top.items():
        if isinstance(value, Mapping):
            raise SpecError(
                f"{where}: unknown table [{key}]{did_you_mean(key, stage_classes)}; "
                f"{architecture} has: audio, network, device, {', '.join(stage_classes)}."
            )
    audio = read_options(AudioOptions, table.get("audio", {}), f"{where} [audio]")
    spec = read_options(PipelineSpec, {"name": name, **top}, where)
    network = read_network(table["network"], where) if "network" in table else None
    device = read_device(table.get("device", {}), where)
    spec = dataclasses.replace(
        spec, audio=audio, network=network, device=device, stages=stages, toml=text
    )
    if audio.stretch and spec.kind != "duplex":
        raise SpecError(f"{where} [audio]: stretch is for presets of kind 'duplex'.")
    if spec.sees_labels and spec.kind not in ("scripted", "click"):
        raise SpecError(f"{where}: sees_labels is for scripted presets only.")
    return spec
