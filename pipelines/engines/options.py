"""Options of a cascade's preset: one dataclass per TOML table. Pure, imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pipelines.engines.adapters import engine_row
from pipelines.errors import SpecError
from pipelines.guards.ranges import (
    Range,
    Share,
    Temperature,
    Threads,
    TimeoutS,
    Tokens,
    TokensOrNone,
    WaitS,
    WholeMs,
    WordsPerMinute,
)
from pipelines.spec import read_options

OLLAMA_URL = "http://localhost:11434/v1"
"""Where Ollama serves OpenAI's protocol on this machine."""
SilenceS = Annotated[float, Range(0, 30, "s")]
"""Voice or silence that Silero waits for."""


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """``[turns]``: how the end of the user's turn is found."""

    preset: Literal["vad", "smart-turn", "stock", "eager"] = "vad"
    """vad: VAD stop, a short timeout, the final transcript. smart-turn: Pipecat's end-of-turn
    model. stock: all of Pipecat's defaults; the numbers below then don't apply. eager: the
    recogniser's service predicts the end from words, silence and voice; the answer is begun then
    and heard at the commit."""
    vad_confidence: Share = 0.7
    """Least confidence of Silero that counts as voice, 0–1."""
    vad_start_secs: SilenceS = 0.2
    """Voice of this length starts speech, s."""
    vad_stop_secs: SilenceS = 0.2
    """Silence of this length stops it, s. It is part of every answer's latency."""
    vad_min_volume: Share = 0.6
    """Least volume that counts as voice, 0–1 (EBU R128 scale)."""
    speech_timeout_secs: WaitS = 0.0
    """vad only: time after the VAD's stop in which the user may go on, s."""
    smart_turn_stop_secs: WaitS = 3.0
    """smart-turn only: silence that ends a turn which the model calls incomplete, s."""
    turn_stop_timeout_secs: TimeoutS = 5.0
    """Ends a turn for which no transcript comes, s."""
    eager_cut_off_cost_ms: Annotated[float, Range(1, 1e6, "ms")] = 12000.0
    """eager only, like the next four: what an interruption of the user costs, in ms of waiting.
    The more, the later and the surer a turn is over."""
    eager_noticed_cost_ms: Annotated[float, Range(0, 1e6, "ms")] = 1500.0
    """What it costs that the user notices a wait (one of more than 200 ms), in ms of waiting. The
    more, the oftener a turn is over before that."""
    eager_predict_from: Share = 0.35
    """Least probability at which an answer is begun; above 1 − a little: with the commit only."""
    eager_longest_wait_secs: SilenceS = 2.2
    """Silence that ends any turn which has words, s."""
    eager_hold_ms: WholeMs = 96
    """Voice of the user for which the agent's speech is held back until it is clear whether it is
    an interruption, ms; 0: it is never held."""


@dataclass(frozen=True, slots=True)
class SttOptions:
    """``[stt]``: speech to text."""

    engine: str = "pocketsphinx"
    """A row of `pipelines.engines.adapters`."""
    model: str = ""
    """A model id, a folder, or ``synthetic:SIZE``; default: the row's. PocketSphinx has its own."""
    lm: Literal["domain", "default"] = "domain"
    """PocketSphinx, like the next three. domain: trigrams of the creature's sentences; default: the
    general one of the wheel."""
    sentences: str = ""
    """Text file for the domain model, one sentence a line; default: the shipped one."""
    bestpath: bool = True
    """Search the word lattice at the end of an utterance."""
    fwdflat: bool = False
    """Decode a second time at the end of an utterance: fewer errors, a longer tail."""
    language: str = "en"
    """faster-whisper: language of the speech, in two letters. Others know it by their model."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """faster-whisper and kyutai-stt: device of the computation."""
    compute: str = "int8"
    """faster-whisper: CTranslate2's type of arithmetic."""
    threads: Threads = 1
    """faster-whisper and kyutai-stt: threads of the computation."""
    beam: Annotated[int, Range(1, 64, "hypotheses")] = 1
    """faster-whisper: hypotheses kept while decoding; 1 is greedy."""
    window: Literal["full", "short"] = "full"
    """faster-whisper. full: 30 s of padded audio, as Whisper was trained. short: only the audio
    there is, many times as fast; scripts/whisper_window_cost.py measures what that costs in
    accuracy."""
    step_ms: Annotated[int, Range(20, 30_000, "ms")] = 500
    """faster-whisper and moonshine: new audio after which a growing utterance is decoded again, for
    partials."""
    forced_tokens_per_s: Annotated[float, Range(0, 100, "tokens per second")] = 3.0
    """faster-whisper and moonshine, random weights only, which never stop: tokens per second of
    audio."""
    pre_roll_ms: WholeMs = 800
    """Audio before the VAD's start that is recognised too: Silero is 300–600 ms late."""
    partials: bool = True
    """Push partial transcripts into the pipeline."""
    ttfs_p99_secs: WaitS = 0.5
    """Time from speech end to final transcript that Pipecat is given, s. Finals are marked as
    final, so this wait is cut short; unset it would be 1.0 s."""
    timeout_secs: TimeoutS = 5.0
    """Longest silence of the engine while it owes an answer, s; it is then killed. Half of a
    fixture's wait for an answer, so that a hang is reported on its own trial."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Options of this engine only: the fields of ``settings`` of its row."""

    def __post_init__(self) -> None:
        _check("stt", self.engine, self.settings)


@dataclass(frozen=True, slots=True)
class LlmOptions:
    """``[llm]``: the language model."""

    engine: str = "llama"
    """A row of `pipelines.engines.adapters`."""
    model: str = ""
    """A model id, the path of a .gguf file, ``synthetic:SIZE``, or what a server calls it;
    default: the row's."""
    url: str = ""
    """Address of a server's ``/v1``; default: Ollama's on this machine."""
    api_key_variable: str = ""
    """Environment variable that holds a server's key; empty: it needs none."""
    system: str = ""
    """Text before the scene in the system message; creature-3m knows only scenes."""
    max_tokens: Tokens = 96
    """Longest answer, in tokens."""
    forced_tokens: Tokens = 24
    """Random weights only, which never stop: the length of every answer, in tokens."""
    temperature: Temperature = 0.0
    """0 always takes the likeliest token, so that a trial can be repeated."""
    context_tokens: TokensOrNone = 0
    """Most tokens of the conversation; 0: as many as it was trained for, 8192 at most."""
    threads: Threads = 1
    """Threads; a model this small is slowed down by a second one."""
    gpu_layers: Annotated[int, Range(-1, 1_000, "layers")] = 0
    """Layers on a GPU, where llama.cpp was built for one; a model this small is faster without."""
    prime: bool = True
    """Read the system prompt and the scene into the prefix cache before the user speaks."""
    added_ttft_ms: WholeMs = 0
    """Time that is waited before a request is handed to the model, ms: what a slower model, or one
    elsewhere, would do to the agent. Not for a server's model."""
    timeout_secs: TimeoutS = 5.0
    """Longest silence, see ``[stt]``; a large model on a slow machine may need longer for its first
    token."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Options of this engine only: the fields of ``settings`` of its row."""

    def __post_init__(self) -> None:
        _check("llm", self.engine, self.settings)


@dataclass(frozen=True, slots=True)
class TtsOptions:
    """``[tts]``: text to speech."""

    engine: str = "espeak"
    """A row of `pipelines.engines.adapters`."""
    model: str = ""
    """A model id, the path of Piper's or Kokoro's .onnx or of Pocket TTS's folder, or
    ``synthetic:SIZE``; default: the row's. espeak-ng has its own."""
    voice: str = ""
    """espeak-ng: one of ``espeak-ng --voices``; Kokoro, Pocket TTS: one of the model's; default:
    the row's. Piper's models are a voice each."""
    rate_wpm: WordsPerMinute = 175
    """espeak-ng: words per minute, 80–450."""
    threads: Threads = 1
    """All but espeak-ng: threads within an operation; more slow a small voice down."""
    speaker: Annotated[int, Range(0, 100_000)] = 0
    """Piper: number of the speaker, in a voice with several."""
    length_scale: Annotated[float, Range(0, 10)] = 0.0
    """Piper and Kokoro: slowness of the speech; 0: the model's own."""
    alignments: bool = True
    """Piper and Kokoro: true to report when each phoneme is spoken, for visemes."""
    aggregation: Literal["clause", "sentence"] = "clause"
    """Text to wait for before speaking. clause: the first ``, . ! ? ; :`` of an answer, then
    sentences. sentence: Pipecat's default, which waits for the word after a sentence."""
    timeout_secs: TimeoutS = 5.0
    """Longest silence, see ``[stt]``."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Options of this engine only: the fields of ``settings`` of its row."""

    def __post_init__(self) -> None:
        _check("tts", self.engine, self.settings)


def _check(stage: str, engine: str, settings: Mapping[str, Any]) -> None:
    """Refuses an unknown engine, or options that it does not take.

    Raises:
        ValueError: the text names it.
    """
    row = engine_row(stage, engine)
    if row.settings is None:
        if settings:
            raise ValueError(f"{engine} takes no settings of its own: leave 'settings' out")
        return
    try:
        read_options(row.settings, settings, "settings")
    except SpecError as error:
        raise ValueError(str(error).rstrip(".")) from error
