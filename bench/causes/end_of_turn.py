"""What makes the pipeline find the end of the user's turn late."""

from __future__ import annotations

from bench.causes.cause import Case, Cause, Evidence, in_ms
from pipelines.clock import NS_PER_S
from pipelines.marks import Mark

LEAST_WAIT_MS = 50.0
"""Least wait that is named, ms: below it lies what a busy event loop does by itself."""
COMPLETE = 0.5
"""Probability above which an end-of-turn model calls a turn complete, where its verdict is not
marked."""
PIPECAT = "https://github.com/pipecat-ai/pipecat/blob/v1.14.0/src/pipecat"


# Marks that several detectors read


def _verdicts(case: Case) -> list[Mark]:
    """The end-of-turn model's verdicts between u_off and the release, by time."""
    release = case.path.release
    if release is None:
        return []
    marks = case.turn.all("turn", "analysis")
    return [mark for mark in marks if case.turn.u_off_ns <= mark.t_ns <= release]


def _is_complete(verdict: Mark) -> bool:
    if verdict.text in ("complete", "incomplete"):
        return verdict.text == "complete"
    return verdict.value is not None and verdict.value > COMPLETE


def _vad_stop(case: Case) -> Mark | None:
    """The VAD's stop that the release waited for: the last between u_off and the release."""
    release = case.path.release
    if release is None:
        return None
    marks = case.turn.all("vad", "speech_stop")
    stops = [mark for mark in marks if case.turn.u_off_ns <= mark.t_ns <= release]
    return stops[-1] if stops else None


def _final(case: Case) -> Mark | None:
    """The last transcript by the release."""
    release = case.path.release
    finals = [m for m in case.turn.all("stt", "final") if release is None or m.t_ns <= release]
    return finals[-1] if finals else None


def _since(start_ns: int, end_ns: int, detail: str) -> Evidence | None:
    """The wait from one time to another; None if it is not worth a name."""
    waited_ms = in_ms(end_ns - start_ns)
    return Evidence(waited_ms, detail) if waited_ms >= LEAST_WAIT_MS else None


# Detectors


def smart_turn_incomplete(case: Case) -> Evidence | None:
    """The model called a turn incomplete after the user's last sound.

    Lost is what a right verdict would have saved: the time from that verdict to the release, but
    for a wait for the transcript.
    """
    release, verdicts, final = case.path.release, _verdicts(case), _final(case)
    wrong = next((mark for mark in verdicts if not _is_complete(mark)), None)
    if release is None or wrong is None:
        return None
    sure = "" if wrong.value is None else f"probability of complete {wrong.value:.2f}"
    return _since(max(wrong.t_ns, final.t_ns if final else 0), release, sure)


def end_of_turn_model(case: Case) -> Evidence | None:
    """The time that the end-of-turn model took for its first verdict after the VAD's stop."""
    stop, verdicts = _vad_stop(case), _verdicts(case)
    later = [mark for mark in verdicts if stop is not None and mark.t_ns >= stop.t_ns]
    if stop is None or not later:
        return None
    return _since(stop.t_ns, later[0].t_ns, "")


def stop_before_transcript(case: Case) -> Evidence | None:
    """A service said that the turn is over before its transcript came: release − transcript."""
    path, final = case.path, _final(case)
    if path.release is None or final is None:
        return None
    proposals = [m.t_ns for m in case.turn.all("turn", "proposed") if m.t_ns <= path.release]
    if not proposals or proposals[-1] >= final.t_ns:
        return None
    late_ms = in_ms(final.t_ns - proposals[-1])
    return _since(final.t_ns, path.release, f"the transcript came {late_ms:.0f} ms after the stop")


def vad_stop_secs(case: Case) -> Evidence | None:
    """The silence that the VAD asks for before its stop."""
    stop = _vad_stop(case)
    if stop is None or not stop.value:
        return None
    waited_ns = min(stop.t_ns - case.turn.u_off_ns, round(stop.value * NS_PER_S))
    return Evidence(in_ms(waited_ns), f"stop_secs = {stop.value:g}")


ROWS = (
    Cause(
        "smart_turn_incomplete",
        "smart-turn said incomplete",
        "The end-of-turn model took the user's turn for unfinished, so the pipeline waited for its "
        "silence limit (SmartTurnParams.stop_secs, 3 s) before it answered.",
        "Lower the limit: LocalSmartTurnAnalyzerV3(params=SmartTurnParams(stop_secs=1)), here "
        "smart_turn_stop_secs in [turns]; or end turns by a silence timer "
        "(SpeechTimeoutUserTurnStopStrategy), and compare the starts in pauses that this costs.",
        "turn.analysis with the verdict incomplete after u_off; turn.release − that verdict, or − "
        "the last transcript if that came later",
        "Pipecat 1.14, smart-turn v3.2",
        f"{PIPECAT}/audio/turn/smart_turn/base_smart_turn.py",
        on_turn=smart_turn_incomplete,
    ),
    Cause(
        "end_of_turn_model",
        "the end-of-turn model computed",
        "The end-of-turn model took long for its verdict, and the turn waits for that.",
        "Give it a core of its own: it takes 34 ms on an idle core (and cores that compute "
        "something else make it several times slower); or end turns without a model.",
        "turn.analysis − vad.speech_stop before it",
        "Pipecat 1.14, smart-turn v3.2",
        f"{PIPECAT}/audio/turn/smart_turn/local_smart_turn_v3.py",
        on_turn=end_of_turn_model,
    ),
    Cause(
        "stop_before_transcript",
        "the stop came before the transcript",
        "The service that owns the turn proposed its end before it had pushed the transcript, so "
        "the aggregator waited for its own timer (0.5 s) after the transcript.",
        "Push the TranscriptionFrame first and the ProposedUserStoppedSpeakingFrame after it; or "
        "lower ExternalUserTurnStopStrategy(timeout=…).",
        "turn.proposed before the last stt.final; turn.release − that transcript",
        "Pipecat 1.14",
        f"{PIPECAT}/turns/user_stop/external_user_turn_stop_strategy.py",
        on_turn=stop_before_transcript,
    ),
    Cause(
        "vad_stop_secs",
        "the VAD waited for silence",
        "The VAD says that speech has stopped only after stop_secs of silence, and nothing of the "
        "answer begins before that.",
        "Lower VADParams.stop_secs (0.2 s is Pipecat's default), or let the recogniser own the end "
        "of the turn, or answer a prediction of it (EagerUserTurnStrategies).",
        "vad.speech_stop on the way to turn.release; its stop_secs, at most the time since u_off",
        "Pipecat 1.14",
        f"{PIPECAT}/audio/vad/vad_analyzer.py",
        on_turn=vad_stop_secs,
    ),
)
"""The rows, in the order in which they are stored."""
