"""Marks: what happened, where and when. The closed list of events, and the sinks that take them.

A mark is a fact with a time, stamped by the component that did the work, never a duration
computed live. Both sides share this module; it imports nothing of ours.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

Stage = Literal[
    "user", "link", "ear", "vad", "turn", "stt", "llm", "tts", "duplex", "watch", "script",
    "agent", "pipecat", "line", "network", "given", "skill",
]  # fmt: skip
"""Components that stamp marks."""

EventName = Literal[
    "turn_start", "speech_on", "speech_off", "turn_end", "chunk_sent", "cue_missed", "chunk_in",
    "write", "clear", "received", "heard", "cleared", "agent_onset", "agent_end", "transcript",
    "speech_start", "speech_stop", "start", "analysis", "release", "interruption", "request",
    "partial", "finalize", "final", "cancelled", "first_token", "first_speakable", "to_tts",
    "end", "prompt_read", "prompt_cached", "trimmed", "first_byte", "first_audible", "session",
    "hold_back", "frame_in", "handed", "ready", "encoded", "depth_start", "stepped",
    "decode_start", "done",
    "frame_out", "dropped", "text", "forced", "yielded", "context_end", "phrase", "read", "call",
    "repeated", "refused", "plan_start", "plan_end", "deadline", "pipeline_ready", "answer_text",
    "process_start", "load_start", "load_end", "warm_end", "guest", "error", "ttfb", "ttfa",
    "ttfat", "processing", "text_aggregation", "turn", "bot_started", "bot_stopped", "tool_start",
    "tool_end", "dialled", "connected", "agent_ready", "agent_text", "user_text", "reported_error",
    "proposed", "ttfs_p99", "blocked", "spoke_over", "rate", "taken", "context", "predicted",
    "withdrawn", "ahead", "hold", "resume", "withheld", "passed_up", "passed_down", "lost",
    "stalled", "audio_lost", "lag",
    "lost_by_agent", "track_rate", "channels", "pre_skip", "word", "task", "annotation", "stretch",
    "distribution", "asked", "failed", "late", "came", "fallback", "written", "tool_call",
    "tool_result", "memory", "filler",
]  # fmt: skip
"""Names of the events of all stages, each once. A new event is a word here and a row of
`EVENTS`."""

StageEvent = tuple[Stage, EventName]
"""A component and its event: a key of `EVENTS`."""

EVENTS: dict[StageEvent, str] = {
    # user: the caller's mouth. The user's time is a schedule; t_ns is the schedule unless said.
    ("user", "turn_start"): "first sample of the turn's audio is spoken; value: sample index",
    ("user", "speech_on"): "first audible sample of the turn (u_on)",
    ("user", "speech_off"): "last audible sample of the turn, its end (u_off)",
    ("user", "turn_end"): "the turn's audio is over",
    ("user", "chunk_sent"): "t_ns: chunk handed to the socket (fact); value: chunk index k",
    ("user", "cue_missed"): "what the turn waited for never came",
    ("user", "written"): "the user's text was sent, in place of speech (fact); text",
    ("user", "spoke_over"): "the agent's greeting did not end, and the longest wait for that was "
    "over; value: s since the trial's start; text: the agent's level at its quietest",
    # link: the agent's end of the wire.
    ("link", "chunk_in"): "the pipeline's first processor saw input chunk value=k",
    ("link", "write"): "an output chunk was stamped and sent; value: its first sample's index "
    "in the agent's stream; request_id: chunk id g<generation>:<seq>",
    ("link", "context"): "all audio before a context's has been sent: the next chunk is its first; "
    "text: the context's id, as in Pipecat's frames",
    ("link", "clear"): "an interruption: unheard audio is to be dropped; value: generation",
    ("link", "hold"): "the agent's speech is held back: the user may be interrupting",
    ("link", "resume"): "it may go on: the user was not, or the agent was interrupted",
    ("link", "withheld"): "an interruption dropped speech that was held back: none of it was sent",
    # ear: the virtual loudspeaker.
    ("ear", "received"): "an output chunk arrived; request_id: chunk id; value: its samples",
    ("ear", "heard"): "the chunk's first sample is heard at t_ns; request_id: chunk id; "
    "value: samples heard (fewer than received where a clear cut it)",
    ("ear", "cleared"): "samples cut by a clear, or arrived for an old generation; value: samples",
    ("ear", "agent_onset"): "live: the ear heard the agent begin (drives cues; not a metric)",
    ("ear", "agent_end"): "live: the agent's speech ended, silence has lasted; t_ns: its end",
    ("ear", "transcript"): "afterwards: what a recogniser makes of the answer to the turn, as "
    "heard; text, empty of none; t_ns: the answer's first sound",
    # vad and turn
    ("vad", "speech_start"): "the VAD says that the user began; value: its start_secs, in s",
    ("vad", "speech_stop"): "the VAD says that the user stopped; value: its stop_secs, in s",
    ("turn", "start"): "the pipeline takes it that the user's turn began",
    ("turn", "analysis"): "an end-of-turn model gave its verdict; value: probability of complete; "
    "text: complete or incomplete",
    ("turn", "proposed"): "a service with its own turn detection proposes that the turn is over",
    ("turn", "predicted"): "the turn is probably over: an answer is begun that nobody hears yet",
    ("turn", "withdrawn"): "the prediction was wrong, or the transcript changed: that answer is "
    "dropped",
    ("turn", "release"): "the user's turn is over: the agent may answer",
    ("turn", "interruption"): "the pipeline interrupts the agent",
    # stt
    ("stt", "request"): "an utterance's audio begins to reach the recogniser",
    ("stt", "partial"): "a partial transcript; text",
    ("stt", "finalize"): "the recogniser is asked for its final word",
    ("stt", "final"): "the final transcript; text; value: 1, the recogniser says that nothing "
    "follows; 0, it does not say so",
    ("stt", "ttfs_p99"): "the recogniser's time to its last word, 99th percentile, as the pipeline "
    "is told: how long a transcript is waited for that is not the final one; value: s",
    ("stt", "cancelled"): "the utterance was dropped",
    # llm
    ("llm", "request"): "the context is handed to the language model",
    (
        "llm",
        "taken",
    ): "a model begins to work on it; of pipelines that others wrote, whose request is "
    "only the context's way to whoever takes it",
    ("llm", "first_token"): "its first token, even if empty",
    ("llm", "first_speakable"): "its first token that holds a letter or digit",
    ("llm", "to_tts"): "the first text of the answer is handed on to be spoken",
    ("llm", "end"): "its last token; text: the whole answer; value: tokens",
    ("llm", "prompt_read"): "stamped at its end: tokens of the prompt that were read now; value",
    ("llm", "prompt_cached"): "stamped at its end: those that were in the prefix cache; value",
    (
        "llm",
        "trimmed",
    ): "the oldest exchanges leave a context that is full; value: tokens of what is "
    "left; text: 'counted' by those that the model counted so far, or 'estimated'",
    ("llm", "cancelled"): "the request was cancelled",
    ("llm", "tool_start"): "a function that the model called begins; text: its name; request_id: "
    "the call",
    ("llm", "tool_end"): "its result is there, or it was cancelled; text: its name",
    # tts
    ("tts", "request"): "a text is handed to the synthesiser; text; request_id: <llm id>/<tts id> "
    "where it is of a language model's answer; value: 1, the pipeline calls it a filler",
    ("tts", "ahead"): "a text of an answer that is not released yet is synthesised ahead; text",
    ("tts", "rate"): "the first audio at another rate than before; value: Hz",
    (
        "tts",
        "first_byte",
    ): "its first audio came out; value: samples of that first piece; text: its "
    "context, of pipelines that others wrote",
    ("tts", "first_audible"): "the chunk with its first audible sample came out; value: that "
    "sample's index in the request's audio",
    ("tts", "repeated"): "its audio is that of the last time; nothing is synthesised",
    ("tts", "end"): "all of the request's audio came out; value: samples",
    ("tts", "cancelled"): "the request was cancelled",
    # duplex: a model that listens and speaks at once, frame by frame. request_id: the session;
    # value: the input frame's index in the session, from 0, unless said.
    ("duplex", "session"): "a session was opened; text: the model; value: its seed",
    ("duplex", "hold_back"): "what the resampler to 24 kHz holds back; value: ms",
    ("duplex", "frame_in"): "the frame's last input sample is there (offered); t_ns: when the "
    "chunk that made it whole was due, where the host knows that, else when it was taken",
    ("duplex", "handed"): "the frame is sent to the model's process",
    ("duplex", "ready"): "the model's thread is free to take the frame",
    ("duplex", "start"): "its encoding begins",
    ("duplex", "encoded"): "it is encoded: the language model's step begins",
    ("duplex", "depth_start"): "within the step: the temporal transformer is done, and the depth "
    "transformer begins; of backends that time them apart (onnx)",
    ("duplex", "stepped"): "the language model's step is done",
    ("duplex", "decode_start"): "decoding of the frame that the step gave begins",
    ("duplex", "done"): "all of the frame's work is done",
    ("duplex", "frame_out"): "the frame that the step gave is pushed out (emitted). Of a server, "
    "whose steps give what has come by then: value: the j-th input frame, for the j-th output",
    ("duplex", "dropped"): "the frame was dropped: the queue was full (policy drop)",
    ("duplex", "text"): "the step's piece of text; text; t_ns: when it was stepped",
    ("duplex", "forced"): "the step's text token was forced; text: its piece",
    (
        "duplex",
        "yielded",
    ): "the model fell silent because the user speaks, where it reports that; t_ns: when "
    "it was stepped; value: ms of its speech that it left unsaid",
    ("duplex", "context_end"): "the model's context is full; text: stop or reset",
    # watch: the intent watcher, a tap on the text stream. request_id: the phrase, or the call that
    # came of it (of several in one phrase: the phrase's with .0, .1, …).
    ("watch", "phrase"): "a phrase was over, or paused; t_ns: when its last word came; text: it",
    ("watch", "read"): "the reader had judged it; value: how many things it asks for",
    ("watch", "call"): "a call of do_physical_task was emitted; text: the call as JSON",
    ("watch", "repeated"): "the task was that of an earlier call; text: that call's id",
    ("watch", "refused"): "no call was made: its arguments break the schema; text: what is wrong",
    ("watch", "cancelled"): "the call was taken back; text: the phrase's id",
    ("watch", "plan_start"): "the slow reasoner begins to think about the call",
    ("watch", "plan_end"): "it has a plan",
    # skill: a call of a skill in a served conversation. request_id: the call; text: the skill's
    # name, and after a colon why. value: ms since it was asked for.
    ("skill", "asked"): "the agent asks for a skill",
    ("skill", "refused"): "the arguments do not fit, or there is no room for it",
    ("skill", "end"): "its result was there within its budget",
    ("skill", "failed"): "it failed within its budget",
    ("skill", "late"): "its budget was over: the agent was told that it is late",
    ("skill", "came"): "a late one's result, or failure, was there",
    ("skill", "cancelled"): "it was no longer wanted",
    # scripted stages: the deadline that a scripted stage aimed at (t_ns); text: the stage's name
    ("script", "deadline"): "a scripted stage was due; text: the stage; request_id as its mark",
    # agent: the process under test, and its models' processes
    ("agent", "pipeline_ready"): "the pipeline is built and the link is open",
    ("agent", "fallback"): "the conversation went on with another agent; text: its name, and why",
    ("agent", "answer_text"): "what the agent meant to say in this turn; text",
    ("agent", "process_start"): "a model's process was started; text: the model",
    ("agent", "load_start"): "a model begins to load; text: the model",
    ("agent", "load_end"): "it is loaded; text: the model",
    ("agent", "warm_end"): "it is warm; text: the model",
    (
        "agent",
        "guest",
    ): "the pipeline stamps no marks itself: its stages are marked from its frames",
    ("agent", "error"): "something failed; text: one sentence",
    # line: what an agent that the caller dials reports over its own protocol; t_ns: on the caller's
    # clock, when it arrived
    ("line", "dialled"): "the caller asks for a connection; text: the line",
    ("line", "connected"): "TCP and TLS are up",
    ("line", "agent_ready"): "the protocol's own greeting is over: the agent listens",
    ("line", "agent_text"): "a piece of what the agent means to say; text",
    ("line", "user_text"): "what the agent understood of the user; text",
    ("line", "reported_error"): "an error that the agent reports and survives; text",
    ("line", "clear"): "the agent was interrupted: what is not yet heard is dropped",
    ("line", "tool_call"): "the agent calls a function; text: its name",
    ("line", "tool_result"): "the function's result is there; text: its name",
    ("line", "memory"): "facts were put into the agent's context; text: they",
    (
        "line",
        "filler",
    ): "what the agent says of its audio from chunk value on; text: filler (it only "
    "fills a wait) or answer",
    ("line", "fallback"): "another agent goes on with the conversation; text: its name",
    ("line", "audio_lost"): "audio of the agent's that its RTP timestamps skip: packets were lost; "
    "value: ms",
    ("line", "lag"): "the receiver's jitter buffer now holds the agent's audio for so much longer "
    "than at the call's start; value: ms",
    (
        "line",
        "lost_by_agent",
    ): "packets of the user's that the agent's receiver reports as lost, so far; value",
    ("line", "track_rate"): "rate of the agent's track, by the edge in the spectrum of what Opus "
    "brought of it; value: Hz",
    ("line", "channels"): "channels of the agent's audio, where there is more than one; value",
    ("line", "pre_skip"): "what the head of the agent's Ogg stream says to skip; value: ms",
    ("agent", "blocked"): "the event loop ran nothing; t_ns: since when; value: ms; text: the "
    "processor that held it, empty where none was seen",
    # given: what came with a recorded call, or is figured from it as a benchmark's scripts do.
    # request_id: user or agent, whose it is; t_ns: its start; value: its end, s from the call's
    # start, unless said.
    ("given", "word"): "a word, or a caption's words, of a transcript that came with the call; "
    "text; no value where its end is not known",
    ("given", "task"): "the call is a sample of a benchmark; text: version and task; value: words "
    "of the agent's transcript, none where there is no transcript",
    ("given", "annotation"): "the benchmark's own label; text: its kind",
    ("given", "stretch"): "speech as the benchmark's scripts find it",
    ("given", "distribution"): "people's timing of backchannels to the sample; text: JSON",
    # network: a simulated one between caller and agent, on the caller's side
    ("network", "passed_up"): "a chunk of the user's left the network for the agent; t_ns: when it "
    "was handed to the socket (fact); value: delay that the network added, ms; request_id: u<k>",
    ("network", "passed_down"): "a chunk of the agent's passed the network; t_ns: when it reached "
    "the caller's socket (fact); value: delay that was added until `ear.received`, ms; request_id: "
    "chunk id",
    ("network", "lost"): "packets were lost; t_ns: when they were sent; value: how many; text: up "
    "or down; request_id: what they were of, as above",
    ("network", "stalled"): "the network let nothing pass; t_ns: when its first victim was sent; "
    "value: how long that waited, ms; text: up or down; request_id: as above",
    # Pipecat's own MetricsFrames, under its own names; value in Pipecat's unit (s), text: processor
    ("pipecat", "ttfb"): "TTFBMetricsData.value",
    ("pipecat", "ttfa"): "TTFAMetricsData.ttfa",
    ("pipecat", "ttfat"): "TTFATMetricsData.ttfat",
    ("pipecat", "processing"): "ProcessingMetricsData.value",
    ("pipecat", "text_aggregation"): "TextAggregationMetricsData.value",
    ("pipecat", "turn"): "TurnMetricsData.e2e_processing_time_ms",
    ("pipecat", "bot_started"): "BotStartedSpeakingFrame was pushed",
    ("pipecat", "bot_stopped"): "BotStoppedSpeakingFrame was pushed",
}
"""Every (stage, event) that may be marked, and its meaning. A new fact is a new row."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One fact, at one time."""

    t_ns: int
    """Time on the machine's monotonic clock."""
    stage: Stage
    """Component that stamped it."""
    event: EventName
    """Event; (stage, event) is a key of `EVENTS`."""
    turn: int = -1
    """The user's turn it belongs to, from 0; -1 where the stamping side can't know it."""
    request_id: str = ""
    """Connects marks that belong together, so that cancelled work never pollutes another turn."""
    pid: int = 0
    """The process that stamped it."""
    value: float | None = None
    """See `EVENTS`."""
    text: str | None = None
    """See `EVENTS`."""


class MarkSink(Protocol):
    """Takes marks."""

    def put(self, mark: Mark) -> None:
        """Takes one mark; must be cheap and must not block."""


@dataclass(slots=True)
class MarkList:
    """A sink that keeps marks in a list: for tests, and as the buffer of a process."""

    marks: list[Mark] = field(default_factory=list)

    def put(self, mark: Mark) -> None:
        """Appends the mark."""
        self.marks.append(mark)

    def drain(self) -> list[Mark]:
        """Returns the marks held and clears them."""
        marks, self.marks = self.marks, []
        return marks


class NoMarks:
    """A sink for pipelines that are not measured."""

    def put(self, mark: Mark) -> None:
        """Drops the mark."""


def stamp(
    stage: Stage,
    event: EventName,
    *,
    t_ns: int | None = None,
    turn: int = -1,
    request_id: str = "",
    value: float | None = None,
    text: str | None = None,
    clock: Callable[[], int] = time.monotonic_ns,
) -> Mark:
    """Makes a mark of now (or of ``t_ns``) in this process.

    Raises:
        ValueError: (stage, event) is not in `EVENTS`.
    """
    if (stage, event) not in EVENTS:
        raise ValueError(f"{stage}.{event} is not a known event: add a row to pipelines.marks")
    at_ns = clock() if t_ns is None else t_ns
    return Mark(at_ns, stage, event, turn, request_id, os.getpid(), value, text)
