"""What makes the pipeline find the start or the end of the user's turn late."""

from __future__ import annotations

from bench.causes.cause import PIPECAT, Case, Cause, Evidence, in_ms, since
from bench.timeline.replies import reply_at
from pipelines.clock import NS_PER_MS, NS_PER_S
from pipelines.marks import Mark

COMPLETE = 0.5
"""Probability above which an end-of-turn model calls a turn complete, where its verdict is not
marked."""
APART_MS = 100.0
"""Distance of two copies of one stop from which frames are taken to have waited, ms."""
GIVEN_UP_MS = 2500.0
"""Wait from which it is no strategy's timer any more, but user_turn_stop_timeout (5 s), ms."""
TIMER_MS = 100.0
"""Time within which a release after a deadline is that deadline's, ms."""


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
    return since(max(wrong.t_ns, final.t_ns if final else 0), release, sure)


def end_of_turn_model(case: Case) -> Evidence | None:
    """The time that the end-of-turn model took for its first verdict after the VAD's stop."""
    stop, verdicts = _vad_stop(case), _verdicts(case)
    later = [mark for mark in verdicts if stop is not None and mark.t_ns >= stop.t_ns]
    if stop is None or not later:
        return None
    return since(stop.t_ns, later[0].t_ns, "")


def stop_before_transcript(case: Case) -> Evidence | None:
    """A service said that the turn is over before its transcript came: release − transcript."""
    path, final = case.path, _final(case)
    if path.release is None or final is None:
        return None
    proposals = [m.t_ns for m in case.turn.all("turn", "proposed") if m.t_ns <= path.release]
    if not proposals or proposals[-1] >= final.t_ns:
        return None
    late_ms = in_ms(final.t_ns - proposals[-1])
    return since(final.t_ns, path.release, f"the transcript came {late_ms:.0f} ms after the stop")


def vad_stop_secs(case: Case) -> Evidence | None:
    """The silence that the VAD asks for before its stop."""
    stop = _vad_stop(case)
    if stop is None or not stop.value:
        return None
    waited_ns = min(stop.t_ns - case.turn.u_off_ns, round(stop.value * NS_PER_S))
    return Evidence(in_ms(waited_ns), f"stop_secs = {stop.value:g}")


def unfinalised_transcript(case: Case) -> Evidence | None:
    """The wait for a transcript that is not there, up to ttfs_p99 after the user's end.

    The recogniser did not say that its transcript was the last, and the turn ended when the time
    was over by which it should have been.
    """
    release, final, stop = case.path.release, _final(case), _vad_stop(case)
    told = [m for m in case.timeline.all("stt", "ttfs_p99") if release and m.t_ns <= release]
    if release is None or final is None or stop is None or final.value != 0 or not told:
        return None
    wait_s = told[-1].value or 0.0
    deadline_ns = stop.t_ns + round((wait_s - (stop.value or 0.0)) * NS_PER_S)
    if abs(in_ms(release - deadline_ns)) > TIMER_MS:
        return None
    return since(_known_ns(case, final, stop), release, f"ttfs_p99 = {wait_s:g} s")


def pipeline_behind(case: Case) -> Evidence | None:
    """From when transcript, verdict and the first copy of the VAD's stop were there to the release.

    The aggregator broadcasts its VAD's stop, a copy each way. Copies that are pushed far apart show
    that frames waited in its queue.
    """
    path, final, last = case.path, _final(case), _vad_stop(case)
    if path.release is None or final is None or last is None:
        return None
    turn = case.turn
    first = next(m for m in turn.all("vad", "speech_stop") if m.t_ns >= turn.u_off_ns)
    apart_ms = in_ms(last.t_ns - first.t_ns)
    again = any(first.t_ns < m.t_ns < last.t_ns for m in turn.all("vad", "speech_start"))
    if apart_ms < APART_MS or again:
        return None
    seen = f"the VAD's stop came twice, {apart_ms:.0f} ms apart"
    return since(_known_ns(case, final, first), path.release, seen)


def silence_timer(case: Case) -> Evidence | None:
    """The wait for nothing but time: VAD, transcript and verdict were there."""
    waited = _unexplained(case)
    return waited if waited and waited.lost_ms < GIVEN_UP_MS and not _verdicts(case) else None


def turn_stop_timeout(case: Case) -> Evidence | None:
    """The same, so long that no strategy ended the turn, but the limit for all of them."""
    waited = _unexplained(case)
    return waited if waited and waited.lost_ms >= GIVEN_UP_MS else None


def _unexplained(case: Case) -> Evidence | None:
    """From when all was there that a turn waits for to its release, if no other row explains it."""
    path, final, stop = case.path, _final(case), _vad_stop(case)
    if path.release is None or final is None or stop is None:
        return None
    if path.llm_request is not None and path.llm_request < path.release:
        return None  # the language model itself was waited for
    others = (
        smart_turn_incomplete,
        stop_before_transcript,
        unfinalised_transcript,
        pipeline_behind,
    )
    if any(other(case) for other in others):
        return None
    return since(_known_ns(case, final, stop), path.release, "")


def vad_start_late(case: Case) -> Evidence | None:
    """The VAD's start − u_on, but for its start_secs, where the user spoke into a reply."""
    turn = case.turn
    starts = [m for m in turn.all("vad", "speech_start") if m.t_ns >= turn.u_on_ns]
    if not starts or starts[0].value is None or reply_at(case.timeline, turn.u_on_ns) is None:
        return None
    asked_ns = round(starts[0].value * NS_PER_S)
    late_ms = (starts[0].t_ns - turn.u_on_ns) / NS_PER_MS
    seen = f"start after {late_ms:.0f} ms, start_secs = {starts[0].value:g}"
    return since(turn.u_on_ns + asked_ns, starts[0].t_ns, seen)


def _known_ns(case: Case, final: Mark, stop: Mark) -> int:
    """When all was there that the turn could wait for: VAD, transcript and verdict, ns."""
    return max([final.t_ns, stop.t_ns, *(mark.t_ns for mark in _verdicts(case))])


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
    Cause(
        "unfinalised_transcript",
        "the transcript was not said to be final",
        "The recogniser did not mark its transcript as final, so the pipeline waited for another "
        "one until the recogniser's ttfs_p99_latency was over.",
        "Finalise: request_finalize() at the VAD's stop and confirm_finalize() before the last "
        "TranscriptionFrame; or give the service its measured ttfs_p99_latency (unset means 1 s).",
        "stt.final with the value 0, and turn.release at vad.speech_stop − stop_secs + "
        "stt.ttfs_p99; turn.release − the last of transcript, VAD's stop and verdict",
        "Pipecat 1.14",
        f"{PIPECAT}/turns/user_stop/turn_analyzer_user_turn_stop_strategy.py",
        on_turn=unfinalised_transcript,
    ),
    Cause(
        "pipeline_behind",
        "the pipeline was behind with its frames",
        "Frames waited in the queue of the processor that finds the end of the turn: the machine "
        "was too busy for the pipeline, or for the VAD that runs in it.",
        "Give the agent cores of its own, and compare the machine's load average (load_avg_1m) of "
        "this trial with that of others.",
        "two vad.speech_stop of one silence, 100 ms apart or more; turn.release − the last of "
        "stt.final, the verdict and the first of the two",
        "Pipecat 1.14, on a machine with ten times as much work as cores",
        f"{PIPECAT}/processors/aggregators/llm_response_universal.py",
        on_turn=pipeline_behind,
    ),
    Cause(
        "silence_timer",
        "a silence timer ran",
        "The turn ended by a timer that runs after the VAD's stop, though the transcript was "
        "there: SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.6).",
        "Lower user_speech_timeout, here speech_timeout_secs in [turns]; or let an end-of-turn "
        "model decide; and compare the starts in pauses that this costs.",
        "turn.release − the last of stt.final and vad.speech_stop, where no end-of-turn model "
        "gave a verdict and no other row explains the wait",
        "Pipecat 1.14",
        f"{PIPECAT}/turns/user_stop/speech_timeout_user_turn_stop_strategy.py",
        on_turn=silence_timer,
    ),
    Cause(
        "turn_stop_timeout",
        "no strategy ended the turn",
        "No stop strategy ended the user's turn, though VAD and transcript were there, until the "
        "aggregator's limit for all of them was over (user_turn_stop_timeout, 5 s).",
        "See why the strategy does not end it (a transcript that is never final, clocks that "
        "differ); lower user_turn_stop_timeout, here turn_stop_timeout_secs in [turns].",
        "turn.release 2.5 s or more after the last of stt.final, vad.speech_stop and the verdict, "
        "where no other row explains the wait",
        "Pipecat 1.14",
        f"{PIPECAT}/turns/user_turn_controller.py",
        on_turn=turn_stop_timeout,
    ),
    Cause(
        "vad_start_late",
        "the VAD noticed the user late",
        "The user spoke into the agent's answer, and the VAD said so later than its start_secs: "
        "its volume gate (min_volume) is smoothed over time, and opens after the voice does.",
        "VADParams(min_volume=0) takes the gate away, and leaves the decision to the model.",
        "vad.speech_start − u_on − its start_secs, in a turn that begins over a reply",
        "Pipecat 1.14 (start 380 ms after the voice with the gate, 240 ms without)",
        f"{PIPECAT}/audio/vad/vad_analyzer.py",
        loses="stop",
        on_turn=vad_start_late,
    ),
)
"""The rows, in the order in which they are stored."""
