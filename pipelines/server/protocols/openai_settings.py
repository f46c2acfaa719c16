"""The session of OpenAI's Realtime protocol: what a client may set, and what is in effect.

``session.updated`` reports what is in effect, not what was asked for: turns are found by the
preset's own detector, its voice is the preset's, and not every preset can be instructed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from pipelines.server.session.events import FUNCTION_NAME
from pipelines.wires.openai_realtime import RATE_HZ, RATES_HZ, AudioType

LONGEST_INSTRUCTIONS = 65_536
"""Characters of a system prompt."""
MOST_TOOLS = 128
"""Functions that a session may offer."""


class EventError(Exception):
    """A client's event can't be followed; the text says why.

    Args:
        code: OpenAI's code of the error.
        message: One sentence.
        param: Path of the field, such as ``session.audio.input.format``.
    """

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in effect."""

    model: str
    """Name of the preset."""
    takes_instructions: bool = True
    """False: the preset can't be instructed, and ``instructions`` stays empty."""
    takes_tools: bool = True
    """False: the preset calls no functions of a client's."""
    instructions: str = ""
    modality: str = "audio"
    """``audio`` (with its transcript) or ``text``."""
    in_audio: AudioType = "audio/pcm"
    """Format of the user's audio."""
    out_audio: AudioType = "audio/pcm"
    """Format of the agent's audio."""
    detects_turns: bool = True
    """False: the client ends turns by ``commit`` and asks by ``response.create``."""
    transcribes: bool = False
    """Whether the words of the user are sent."""
    tools: tuple[Mapping[str, Any], ...] = ()

    def session(self, session_id: str) -> dict[str, Any]:
        """The session as ``session.created`` and ``session.updated`` report it."""
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": self.model,
            "output_modalities": [self.modality],
            "instructions": self.instructions,
            "audio": {
                "input": {
                    "format": format_of(self.in_audio),
                    "transcription": {"model": self.model} if self.transcribes else None,
                    "noise_reduction": None,
                    "turn_detection": _DETECTION if self.detects_turns else None,
                },
                "output": {"format": format_of(self.out_audio), "speed": 1.0},
            },
            "tools": [dict(tool) for tool in self.tools],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
        }


_DETECTION = {"type": "server_vad", "create_response": True, "interrupt_response": True}
"""The preset's own detector decides: no threshold of a client's is in effect."""


def format_of(audio: AudioType) -> dict[str, Any]:
    """A format as the protocol writes it."""
    return {"type": audio, "rate": RATE_HZ} if audio == "audio/pcm" else {"type": audio}


def updated(settings: Settings, session: object, frozen: frozenset[str]) -> Settings:
    """The settings after a ``session.update``.

    Args:
        settings: Before.
        session: Its ``session``.
        frozen: Paths that can't be changed any more.

    Raises:
        EventError: a field is unknown, or has a value that can't be followed.
    """
    return _walk(settings, session, "session", _FIELDS, frozen)


Setter = Callable[[Settings, Any, str], Settings]


@dataclass(frozen=True, slots=True)
class _Table:
    fields: Mapping[str, Setter | _Table] = field(default_factory=dict)


def _walk(
    settings: Settings, given: object, path: str, table: _Table, frozen: frozenset[str]
) -> Settings:
    if not isinstance(given, Mapping):
        raise EventError("invalid_type", f"{path} is no object", path)
    for key, value in given.items():
        at = f"{path}.{key}"
        step = table.fields.get(str(key))
        if step is None:
            known = ", ".join(table.fields)
            raise EventError("unknown_parameter", f"there is no field {at}; known: {known}", at)
        if isinstance(step, _Table):
            settings = settings if value is None else _walk(settings, value, at, step, frozen)
            continue
        after = step(settings, value, at)
        if at in frozen and after != settings:
            raise EventError("invalid_value", f"{at} can't change once audio has flowed", at)
        settings = after
    return settings


def _wrong(path: str, value: object, must: str) -> EventError:
    return EventError("invalid_value", f"{path} = {str(value)[:60]!r} must be {must}", path)


def _type(settings: Settings, value: Any, path: str) -> Settings:
    if value != "realtime":
        raise _wrong(path, value, "'realtime': nothing else is served here")
    return settings


def _model(settings: Settings, value: Any, path: str) -> Settings:
    if value not in (None, settings.model):
        raise EventError("model_not_found", f"this server plays {settings.model!r}", path)
    return settings


def _instructions(settings: Settings, value: Any, path: str) -> Settings:
    if value is None:
        return settings
    if not isinstance(value, str) or len(value) > LONGEST_INSTRUCTIONS:
        raise _wrong(path, value, f"a text of {LONGEST_INSTRUCTIONS} characters at most")
    return replace(settings, instructions=value) if settings.takes_instructions else settings


def _modalities(settings: Settings, value: Any, path: str) -> Settings:
    if value is None:
        return settings
    if value not in (["audio"], ["text"]):
        raise _wrong(path, value, "['audio'] or ['text']")
    return replace(settings, modality=value[0])


def _format(value: Any, path: str) -> AudioType:
    kind = value.get("type", "audio/pcm") if isinstance(value, Mapping) else None
    if kind not in RATES_HZ:
        raise _wrong(path, value, f"an object whose type is one of {', '.join(RATES_HZ)}")
    rate_hz = value.get("rate")
    if kind == "audio/pcm" and rate_hz not in (None, RATE_HZ):
        raise _wrong(f"{path}.rate", rate_hz, f"{RATE_HZ}, the only rate of audio/pcm")
    return cast("AudioType", kind)


def _in_format(settings: Settings, value: Any, path: str) -> Settings:
    return settings if value is None else replace(settings, in_audio=_format(value, path))


def _out_format(settings: Settings, value: Any, path: str) -> Settings:
    return settings if value is None else replace(settings, out_audio=_format(value, path))


def _turns(settings: Settings, value: Any, path: str) -> Settings:
    if value is None:
        return replace(settings, detects_turns=False)
    if not isinstance(value, Mapping) or value.get("type") not in ("server_vad", "semantic_vad"):
        raise _wrong(path, value, "null, or an object of type server_vad or semantic_vad")
    for key in ("create_response", "interrupt_response"):
        if value.get(key) is False:
            raise EventError(
                "unsupported_value",
                f"{path}.{key} = false: the agent answers and yields by itself; "
                "to decide that yourself, set turn_detection to null",
                f"{path}.{key}",
            )
    return replace(settings, detects_turns=True)


def _transcription(settings: Settings, value: Any, path: str) -> Settings:
    if value is not None and not isinstance(value, Mapping):
        raise _wrong(path, value, "null or an object")
    return replace(settings, transcribes=value is not None)


def _tools(settings: Settings, value: Any, path: str) -> Settings:
    if value is None:
        return settings
    if not isinstance(value, list) or len(value) > MOST_TOOLS:
        raise _wrong(path, value, f"a list of {MOST_TOOLS} functions at most")
    if value and not settings.takes_tools:
        why = f"{settings.model} calls no functions: its model takes none"
        raise EventError("unsupported_value", why, path)
    for n, tool in enumerate(value):
        is_function = isinstance(tool, Mapping) and tool.get("type") == "function"
        name = tool.get("name") if is_function else None
        if not isinstance(name, str) or not FUNCTION_NAME.fullmatch(name):
            raise _wrong(
                f"{path}[{n}]",
                tool,
                "a function whose name has letters, digits, _ and -, 64 at "
                "most: no other tool is served",
            )
        if not isinstance(tool.get("parameters", {}), Mapping):
            raise _wrong(f"{path}[{n}].parameters", tool["parameters"], "a JSON schema")
    return replace(settings, tools=tuple(dict(tool) for tool in value))


def _tool_choice(settings: Settings, value: Any, path: str) -> Settings:
    if value not in (None, "auto"):
        raise EventError("unsupported_value", f"{path}: only 'auto' is served", path)
    return settings


def _without_effect(settings: Settings, value: Any, path: str) -> Settings:
    """Known to the protocol, and nothing here: ``session.updated`` shows what is in effect."""
    return settings


_FIELDS = _Table(
    {
        "type": _type,
        "object": _without_effect,
        "id": _without_effect,
        "model": _model,
        "output_modalities": _modalities,
        "instructions": _instructions,
        "audio": _Table(
            {
                "input": _Table(
                    {
                        "format": _in_format,
                        "turn_detection": _turns,
                        "transcription": _transcription,
                        "noise_reduction": _without_effect,
                    }
                ),
                "output": _Table(
                    {"format": _out_format, "voice": _without_effect, "speed": _without_effect}
                ),
            }
        ),
        "tools": _tools,
        "tool_choice": _tool_choice,
        "max_output_tokens": _without_effect,
        "tracing": _without_effect,
        "truncation": _without_effect,
        "include": _without_effect,
        "prompt": _without_effect,
        "reasoning": _without_effect,
        "parallel_tool_calls": _without_effect,
        "expires_at": _without_effect,
    }
)
"""Every field of a session, and what it does."""
