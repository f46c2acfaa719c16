"""OpenAI's Realtime protocol, the server's half: one session.

A client's events come in and give commands; what the agent does gives events (`take`). Turns are
found by the preset's own detector, whose news arrive by `user_started` and `user_stopped`, or are
ended by the client itself (``turn_detection: null``; `openai_input`). The user's turn lies in
`openai_turn`, the agent's in `openai_response`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipelines.server.protocols.commands import (
    Answer,
    Command,
    GiveResult,
    Hear,
    Instruct,
    Interrupt,
    Offer,
    Pcm,
    Tell,
)
from pipelines.server.protocols.openai_input import InputBuffer
from pipelines.server.protocols.openai_items import Item, Items, message_texts
from pipelines.server.protocols.openai_response import Response
from pipelines.server.protocols.openai_settings import EventError, Settings, updated
from pipelines.server.protocols.openai_turn import UserTurn
from pipelines.wires.error import WireError
from pipelines.wires.messages import json_object

MOST_HELD = 128
"""Results of functions that wait for an answer to be asked for."""
FROZEN = frozenset({"session.audio.input.format", "session.audio.output.format"})
"""What can't change once audio has flowed."""


class OpenAIRealtimeServer:
    """One session.

    Args:
        session_id: Its name, unique on the server.
        settings: With which it begins.
        in_rate_hz: Rate of the audio that the conversation takes.
        out_rate_hz: Rate of the audio that it gives.
    """

    def __init__(
        self, session_id: str, settings: Settings, in_rate_hz: int, out_rate_hz: int
    ) -> None:
        self._id = session_id
        self._out_rate_hz = out_rate_hz
        self.settings = settings
        self._out: list[dict[str, Any]] = []
        self._events = 0
        self._names = 0
        self._items = Items()
        self._response: Response | None = None
        self._asked: Mapping[str, Any] = {}
        """What ``response.create`` said of the answer that has not begun yet."""
        self._mute = False
        """True from an interruption until the agent's next answer: what comes is of the old one."""
        self._input = InputBuffer(in_rate_hz)
        self._held: list[Command] = []
        """Results of functions, given on when an answer is asked for."""
        self._turn = UserTurn(
            self._send, lambda: self._name("item"), self._items, lambda: self.settings
        )
        self._send("session.created", session=settings.session(session_id))
        conversation = {"id": f"conv_{session_id}", "object": "realtime.conversation"}
        self._send("conversation.created", conversation=conversation)

    def take(self) -> list[dict[str, Any]]:
        """The events for the client since the last call."""
        out, self._out = self._out, []
        return out

    # What the client says.

    def receive(self, text: str | bytes) -> list[Command]:
        """One event of the client's; what can't be followed becomes an ``error`` for it."""
        event: Mapping[str, Any] = {}
        try:
            event = json_object(text)
            kind = event.get("type")
            follow = _FOLLOW.get(kind) if isinstance(kind, str) else None
            if follow is None:
                raise EventError("invalid_value", f"no event {str(kind)[:60]!r}", "type")
            return follow(self, event)
        except EventError as error:
            self._error(error.code, error.message, error.param, event.get("event_id"))
        except WireError as error:
            self._error("invalid_value", str(error), None, event.get("event_id"))
        return []

    def _update(self, event: Mapping[str, Any]) -> list[Command]:
        frozen = FROZEN if self._input.samples or self._items.last_id else frozenset[str]()
        before = self.settings
        self.settings = after = updated(before, event.get("session"), frozen)
        self._send("session.updated", session=after.session(self._id))
        commands: list[Command] = []
        if after.instructions != before.instructions:
            commands.append(Instruct(after.instructions))
        if after.tools != before.tools:
            commands.append(Offer(after.tools))
        if after.detects_turns:
            commands += _hear(self._input.take(also_open=True))
        return commands

    def _append(self, event: Mapping[str, Any]) -> list[Command]:
        pcm = self._input.decode(event.get("audio"), self.settings.in_audio)
        if not self.settings.detects_turns:
            self._input.hold(pcm)
        self._input.samples += len(pcm)
        return _hear(pcm) if self.settings.detects_turns else []

    def _commit(self, event: Mapping[str, Any]) -> list[Command]:
        if self.settings.detects_turns:
            raise EventError(
                "unsupported_value", "turns are detected here: set turn_detection to null to commit"
            )
        self._turn.commit(round(self._input.commit()))
        return []

    def _clear(self, event: Mapping[str, Any]) -> list[Command]:
        self._input.clear()
        self._send("input_audio_buffer.cleared")
        return []

    def _create_item(self, event: Mapping[str, Any]) -> list[Command]:
        given = event.get("item")
        if not isinstance(given, Mapping):
            raise EventError("missing_required_parameter", "item is missing", "item")
        kind = given.get("type")
        if kind not in ("message", "function_call_output"):
            raise EventError(
                "invalid_value", f"an item of type {str(kind)[:60]!r} is not served", "item.type"
            )
        item_id = given.get("id")
        head = {
            "id": item_id if isinstance(item_id, str) and item_id else self._name("item"),
            "object": "realtime.item",
            "type": kind,
            "status": "completed",
        }
        commands: list[Command]
        if kind == "message":
            rest, commands, held = self._message(given)
        else:
            rest, commands, held = self._result(given)
        previous_id = self._items.add(Item(head | rest), event.get("previous_item_id"))
        for name in ("conversation.item.added", "conversation.item.done"):
            self._send(name, previous_item_id=previous_id, item=head | rest)
        self._input.put_committed(held)
        return commands

    def _message(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Command], list[Pcm]]:
        role, parts = message_texts(given)
        commands: list[Command] = []
        held: list[Pcm] = []
        shown = []
        for part in parts:
            if part["type"] == "input_audio":
                held.append(self._input.decode(part["audio"], self.settings.in_audio))
                shown.append({"type": "input_audio", "transcript": part.get("transcript")})
            else:
                commands.append(Tell(role, part["text"]))
                kind = "output_text" if role == "assistant" else "input_text"
                shown.append({"type": kind, "text": part["text"]})
        self._input.check_room(sum(map(len, held)))
        return {"role": role, "content": shown}, commands, held

    def _result(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Command], list[Pcm]]:
        call_id, output = given.get("call_id"), given.get("output")
        if not isinstance(call_id, str) or not isinstance(output, str):
            raise EventError(
                "invalid_value", "a function_call_output needs call_id and output, texts", "item"
            )
        if len(self._held) >= MOST_HELD:
            raise EventError("buffer_full", f"{MOST_HELD} results wait already: ask for an answer")
        self._held.append(GiveResult(call_id, output))
        return {"call_id": call_id, "output": output}, [], []

    def _retrieve(self, event: Mapping[str, Any]) -> list[Command]:
        item = self._items.find(event.get("item_id"), "item_retrieve_invalid_item_id")
        self._send("conversation.item.retrieved", item=dict(item.table))
        return []

    def _delete(self, event: Mapping[str, Any]) -> list[Command]:
        item_id = self._items.delete(event.get("item_id"))
        self._send("conversation.item.deleted", item_id=item_id)
        return []

    def _truncate(self, event: Mapping[str, Any]) -> list[Command]:
        code = "item_truncate_invalid_item_id"
        item = self._items.find(event.get("item_id"), code)
        if item.audio_ms is None:
            raise EventError(code, "only an item of the agent's speech can be cut", "item_id")
        end_ms, index = event.get("audio_end_ms"), event.get("content_index", 0)
        if isinstance(end_ms, bool) or not isinstance(end_ms, int) or end_ms < 0:
            raise EventError("invalid_value", "audio_end_ms must be a whole number", "audio_end_ms")
        if index != 0:
            raise EventError("invalid_value", "an item has one part, 0", "content_index")
        if end_ms > item.audio_ms:
            raise EventError(
                "invalid_value",
                f"only {item.audio_ms} ms of this item were sent, not {end_ms}",
                "audio_end_ms",
            )
        item.audio_ms = end_ms
        for part in item.table["content"]:
            part["transcript"] = ""  # which words were heard is not known
        self._send(
            "conversation.item.truncated", item_id=item.id, content_index=0, audio_end_ms=end_ms
        )
        return []

    def _create_response(self, event: Mapping[str, Any]) -> list[Command]:
        goes_on = self._response is not None
        if self._response is not None and not (self._held and self._waits_for_results()):
            raise EventError(
                "conversation_already_has_active_response",
                f"the response {self._response.id!r} goes on: wait for its end, or cancel it",
            )
        wanted = event.get("response")
        given = wanted if isinstance(wanted, Mapping) else {}
        for key in ("input", "tools", "instructions", "conversation"):
            if given.get(key) not in (None, "auto", []):
                raise EventError(
                    "unsupported_value",
                    f"response.{key}: an answer of its own is not served; set it in the session",
                    f"response.{key}",
                )
        modality = given.get("output_modalities")
        once = {"output_modalities": modality} if modality else {}
        updated(self.settings, once, frozenset())  # an error comes before anything is done
        self._asked = {"session": once, "metadata": given.get("metadata")}
        held, self._held = self._held, []
        pcm = self._input.take()
        self._mute = False
        if not goes_on:
            self._open()
        return [*held, *_hear(pcm), Answer(bool(len(pcm)), bool(held))]

    def _cancel(self, event: Mapping[str, Any]) -> list[Command]:
        wanted = event.get("response_id")
        if self._response is None or wanted not in (None, self._response.id):
            raise EventError("response_cancel_not_active", "there is no such response to cancel")
        self._end("cancelled", {"type": "cancelled", "reason": "client_cancelled"})
        self._mute = True
        return [Interrupt()]

    # What the agent does.

    def user_started(self, ago_ms: float = 0.0) -> None:
        """The preset's detector heard the user begin.

        Args:
            ago_ms: For how long the user had spoken by then, ms.
        """
        if not self._turn.goes_on and self.settings.detects_turns:
            self._mute = False
            self._turn.begin(self._input.position_ms(ago_ms))

    def user_stopped(self, ago_ms: float = 0.0) -> None:
        """The user's turn is over; ``ago_ms``: since when they were silent."""
        if self._turn.goes_on:
            self._turn.end(self._input.position_ms(ago_ms))

    def user_words(self, text: str, is_final: bool = True) -> None:
        """What the preset understood of the user: so far, or for good."""
        self._turn.words(text, is_final)

    def agent_audio(self, pcm: Pcm) -> None:
        """(n,) samples of the agent's speech."""
        if not self._mute:
            self._open().audio(pcm)

    def agent_words(self, text: str) -> None:
        """A piece of what the agent says."""
        if text and not self._mute:
            self._open().words(text)

    def agent_done(self) -> None:
        """The agent's answer is complete."""
        self._mute = False
        if self._response is not None:
            self._end("completed")

    def interrupted(self) -> None:
        """The agent fell silent because the user speaks."""
        self._mute = False
        if self._response is not None:
            self._end("cancelled", {"type": "cancelled", "reason": "turn_detected"})

    def tool_call(self, call_id: str, name: str, arguments: str, goes_on: bool = False) -> None:
        """The model calls a function: the client's turn it is.

        The response ends with it; one in which words were said before it ends with their sound.

        Args:
            call_id: Name of the call.
            name: The function's.
            arguments: JSON.
            goes_on: Whether another call of the same answer follows.
        """
        response = self._open()
        response.call(call_id, name, arguments)
        if not goes_on and not response.spoke:
            self._end("completed")

    def _waits_for_results(self) -> bool:
        """Whether nothing is to come of the response that goes on but its words' sound.

        A client may give results before that is over: they are no reason for an error.
        """
        return self._response is not None and (self._response.calls or not self._response.spoke)

    def failed(self, sentence: str) -> None:
        """The agent can't go on, or can't answer."""
        if self._response is not None:
            error = {"type": "server_error", "code": "server_error", "message": sentence}
            self._end("failed", {"type": "failed", "error": error})
        else:
            self._error("server_error", sentence, None, None, kind="server_error")

    @property
    def speaks(self) -> bool:
        """Whether a response goes on that holds words or audio already."""
        return self._response is not None and self._response.spoke

    def flush(self) -> None:
        """The agent's audio has paused: what a filter holds back of it goes out."""
        if self._response is not None:
            self._response.flush()

    def _open(self) -> Response:
        if self._response is None:
            asked, self._asked = self._asked, {}
            self._response = Response(
                self._name("resp"),
                f"conv_{self._id}",
                updated(self.settings, asked.get("session", {}), frozenset()),
                self._out_rate_hz,
                self._send,
                self._items.add,
                asked.get("metadata"),
            )
        return self._response

    def _end(self, status: str, details: dict[str, Any] | None = None) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.end(status, details)

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}_{self._id}_{self._names}"

    def _send(self, kind: str, **fields: Any) -> None:
        self._events += 1
        self._out.append({"type": kind, "event_id": f"event_{self._id}_{self._events}", **fields})

    def _error(
        self,
        code: str,
        message: str,
        param: str | None,
        event_id: object,
        kind: str = "invalid_request_error",
    ) -> None:
        error = {
            "type": kind,
            "code": code,
            "message": message,
            "param": param,
            "event_id": event_id if isinstance(event_id, str) else None,
        }
        self._send("error", error=error)


def _hear(pcm: Pcm) -> list[Command]:
    return [Hear(pcm)] if len(pcm) else []


_FOLLOW: dict[str, Callable[[OpenAIRealtimeServer, Mapping[str, Any]], list[Command]]] = {
    "session.update": OpenAIRealtimeServer._update,
    "input_audio_buffer.append": OpenAIRealtimeServer._append,
    "input_audio_buffer.commit": OpenAIRealtimeServer._commit,
    "input_audio_buffer.clear": OpenAIRealtimeServer._clear,
    "conversation.item.create": OpenAIRealtimeServer._create_item,
    "conversation.item.retrieve": OpenAIRealtimeServer._retrieve,
    "conversation.item.delete": OpenAIRealtimeServer._delete,
    "conversation.item.truncate": OpenAIRealtimeServer._truncate,
    "response.create": OpenAIRealtimeServer._create_response,
    "response.cancel": OpenAIRealtimeServer._cancel,
}
"""A client's event → what follows it."""
