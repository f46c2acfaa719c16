"""What makes a model, or what is said by it, late: cold starts, prompts, sentences, chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from bench.causes.cause import PIPECAT, Case, Cause, Evidence, InRun, in_ms, since, voice_rate_hz
from bench.store.records import MetricRow, Trial
from bench.timeline.utterances import content_on_ns
from pipelines.clock import NS_PER_MS
from pipelines.marks import EventName, Mark

COLD_MS = 100.0
"""Least time by which a preset's first turn is above the median of the others, ms."""
COLD_RATIO = 3.0
"""How many times that median it takes, at least."""
COLD_N = 5
"""Least number of the other turns."""
COLD_STAGES = {
    "stt_tail": "the final transcript",
    "llm_ttft": "the first token",
    "tts_ttfb": "the first audio",
}
"""Metric of a stage → its work, in words."""
_LOADS: tuple[EventName, ...] = ("process_start", "load_start")
"""Marks that begin a model's loading."""
READ_MS = 20.0
"""Least time that is named for a prompt that is read again, ms."""
PIECE_S = 0.5
"""Length of the first piece that a streaming synthesiser would hand out, s."""
WHOLE_S = 1.0
"""Least length of an answer whose first piece is looked at, s."""


# Detectors


def cold_model(trials: Sequence[Trial], rows: Sequence[MetricRow]) -> Iterator[InRun]:
    """The first turn of each preset, where a stage took far longer than it usually does.

    The warm-up counts as the first turn: what happens in it is in no statistic.
    """
    order = {trial.trial_id: number for number, trial in enumerate(trials)}
    of: dict[str, dict[str, list[MetricRow]]] = {}
    for row in rows:
        if row.metric in COLD_STAGES and row.value is not None and row.trial_id in order:
            of.setdefault(row.preset, {}).setdefault(row.metric, []).append(row)
    for by_metric in of.values():
        found = [cold for rows in by_metric.values() if (cold := _cold(rows, order))]
        if found:
            yield max(found, key=lambda cold: cold.evidence.lost_ms)


def _cold(rows: Sequence[MetricRow], order: dict[str, int]) -> InRun | None:
    first, *others = sorted(rows, key=lambda row: (order[row.trial_id], row.turn))
    if len(others) < COLD_N or first.value is None:
        return None
    usual_ms = median(row.value for row in others if row.value is not None)
    over_ms = first.value - usual_ms
    if over_ms < COLD_MS or first.value < COLD_RATIO * usual_ms:
        return None
    stage = COLD_STAGES[first.metric]
    seen = f"{stage} after {first.value:,.0f} ms, later {usual_ms:,.0f}"
    return InRun(first.trial_id, first.turn, Evidence(over_ms, seen))


def loaded_in_turn(case: Case) -> Evidence | None:
    """The time between u_off and a_on in which a model's process started, loaded or warmed."""
    until_ns = case.turn.a_on_ns
    if until_ns is None:
        return None
    starts = [m for event in _LOADS for m in case.timeline.all("agent", event)]
    lost_ns = 0
    names: list[str] = []
    last_ns: dict[str, int] = {}
    for end in case.timeline.all("agent", "warm_end"):
        model = end.text or ""
        own = [m.t_ns for m in starts if (m.text or "") == model and m.t_ns <= end.t_ns]
        start_ns = min((t for t in own if t > last_ns.get(model, -1)), default=end.t_ns)
        last_ns[model] = end.t_ns
        inside = min(end.t_ns, until_ns) - max(start_ns, case.turn.u_off_ns)
        if inside > 0:
            lost_ns, names = max(lost_ns, inside), [*names, model or "a model"]
    return since(0, lost_ns, ", ".join(names))


def prompt_read_again(case: Case) -> Evidence | None:
    """The share of the time to the first token that went on tokens that were read before."""
    mark = _of_request(case, "prompt_cached")
    read, first = _of_request(case, "prompt_read"), _of_request(case, "first_token")
    asked = case.path.llm_request
    if mark is None or mark.value != 0 or read is None or not read.value or not first or not asked:
        return None
    before = _earlier_prompt(case, asked)
    again = min(before, read.value)
    if again <= 0:
        return None
    lost_ms = in_ms(first.t_ns - asked) * again / read.value
    seen = f"{read.value:.0f} tokens read, none of {before:.0f} from the cache"
    return Evidence(lost_ms, seen) if lost_ms >= READ_MS else None


def _of_request(case: Case, event: EventName) -> Mark | None:
    """The mark of the request that led to the answer."""
    marks = case.turn.all("llm", event)
    return next((mark for mark in marks if mark.request_id == case.path.llm_id), None)


def _earlier_prompt(case: Case, asked_ns: int) -> float:
    """Tokens of the longest prompt that the model was given before, in this conversation."""
    tokens: dict[str, float] = {}
    for event in ("prompt_read", "prompt_cached"):
        for mark in case.timeline.all("llm", event):
            if mark.t_ns < asked_ns and mark.request_id != case.path.llm_id:
                tokens[mark.request_id] = tokens.get(mark.request_id, 0.0) + (mark.value or 0.0)
    return max(tokens.values(), default=0.0)


def sentence_aggregation(case: Case) -> Evidence | None:
    """The first speakable token → the first text is handed to the synthesiser.

    An answer to a predicted turn is held until the turn is over: it is not the sentence it waits
    for then.
    """
    token = _of_request(case, "first_speakable")
    if token is None or case.path.llm_start is None:
        return None
    return since(max(token.t_ns, case.path.llm_start), case.path.handed, "")


def whole_answer_at_once(case: Case) -> Evidence | None:
    """The synthesiser's time beyond that of a first piece of `PIECE_S`, at its own speed."""
    asked_ns, byte_ns = case.path.tts_request, case.path.first_byte
    pieces = [m for m in case.turn.all("tts", "first_byte") if m.t_ns == byte_ns and m.value]
    if asked_ns is None or not pieces:
        return None
    first = pieces[0]
    ends = [m for m in case.turn.all("tts", "end") if m.request_id == first.request_id]
    rate_hz = voice_rate_hz(case) or case.timeline.trial.rate_hz
    length_s = (first.value or 0.0) / rate_hz
    if not ends or ends[0].value != first.value or length_s < WHOLE_S:
        return None
    took_ms = in_ms(first.t_ns - asked_ns)
    lost_ms = took_ms * (1 - PIECE_S / length_s)
    seen = f"{length_s:.1f} s of audio in one piece after {took_ms:.0f} ms"
    return since(0, round(lost_ms * NS_PER_MS), seen)


def filler_counted(case: Case) -> Evidence | None:
    """First sound of the reply that carries the answer − a_on, where a filler was heard before."""
    a_on = case.turn.a_on_ns
    if not case.content.fillers or a_on is None:
        return None
    heard_ns = content_on_ns(case.timeline, case.turn, case.content)
    said = case.content.fillers[0].text
    return since(a_on, heard_ns, f"“{said}”" if said else "")


ROWS = (
    Cause(
        "model_loaded_in_turn",
        "a model was loaded while the user waited",
        "A model's process started, loaded or warmed up between the user's end and the answer.",
        "Load and warm models before the first call; if it was started again, its error stands "
        "in the trial's marks (agent.error).",
        "agent.process_start or load_start → agent.warm_end, the part between u_off and a_on",
        "any pipeline of duplex-lab",
        "this repository, pipelines/process/process.py",
        on_turn=loaded_in_turn,
    ),
    Cause(
        "cold_model",
        "a cold model",
        "A stage took several times as long in the first turn as in those after it: its model was "
        "loaded, compiled or paged in by that request.",
        "Warm the model up with one request before the first call, as the stages of duplex-lab do.",
        "the largest of stt_tail, llm_ttft and tts_ttfb of a preset's first turn (a warm-up is "
        "one), if it is 3 times the median of the later turns; its excess over that median",
        "any pipeline; faster-whisper, llama.cpp and ONNX Runtime do so",
        "this repository, docs/bench.md: cold and warm start",
        on_run=cold_model,
    ),
    Cause(
        "prompt_read_again",
        "the prompt was read again",
        "The language model found nothing of the earlier prompt in its prefix cache (cache_n 0) "
        "and read all of it once more.",
        "Keep the beginning of the prompt the same from turn to turn (no clock, no new memory at "
        "its head), keep one slot a conversation, and prime the system message before the call.",
        "llm.prompt_cached = 0 after an earlier request of the trial; llm_ttft × the share of "
        "prompt_read that an earlier prompt had",
        "llama.cpp (cache_n, timings.prompt_n), services that report cached tokens",
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        on_turn=prompt_read_again,
    ),
    Cause(
        "sentence_aggregation",
        "the TTS waited for a whole sentence",
        "The words of the answer were collected to a sentence before the synthesiser got any.",
        'Hand over the first clause instead (here aggregation = "clause" in [tts]); with a '
        "service that takes a stream of text, text_aggregation_mode=TextAggregationMode.TOKEN.",
        "llm.first_speakable → llm.to_tts, or → tts.request where that is not marked",
        "Pipecat 1.14",
        f"{PIPECAT}/services/tts_service.py",
        on_turn=sentence_aggregation,
    ),
    Cause(
        "whole_answer_at_once",
        "the TTS's first piece was all of it",
        "The synthesiser handed out nothing before all of its text was spoken: Kokoro's "
        "create_stream, for one, makes a single piece of up to 510 phonemes.",
        "Give it shorter texts (clauses, the first one shortest), or take one that streams.",
        "tts.first_byte with as many samples as tts.end; tts_ttfb × the share of the audio beyond "
        "its first 0.5 s",
        "kokoro-onnx 0.6.1, piper-tts 1.8 (one piece a sentence)",
        "https://github.com/thewh1teagle/kokoro-onnx",
        on_turn=whole_answer_at_once,
    ),
    Cause(
        "filler_counted",
        "a filler was counted as the answer",
        "What was heard first was a filler (“let me check”), so voice to voice ends before the "
        "answer begins.",
        "Compare time_to_content, which ends at the answer; voice to voice remains what the user "
        "waited for a first sound.",
        "a synthesiser's request before the one that carries the answer; first sound of the "
        "answer − a_on",
        "any pipeline",
        "this repository, bench/timeline/utterances.py",
        loses="figure",
        on_turn=filler_counted,
    ),
)
"""The rows, in the order in which they are stored."""
