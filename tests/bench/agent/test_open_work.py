"""How much of an agent's work is open, by its marks."""

from bench.agent.open_work import WatchedMarks
from pipelines.marks import stamp


def reported(*events):
    """What is reported for (stage, event, request id) in turn."""
    marks = WatchedMarks()
    counts: list[int] = []
    marks.report_to(counts.append)
    marks.put(stamp("turn", "release"))
    for stage, event, request_id in events:
        marks.put(stamp(stage, event, request_id=request_id))
    assert len(marks.marks) == len(events) + 1
    return counts


def test_a_request_is_open_until_its_end_or_its_cancelling():
    assert reported(
        ("llm", "request", "a"), ("llm", "first_token", "a"), ("tts", "request", "a/1"),
        ("llm", "end", "a"), ("tts", "cancelled", "a/1"),
    ) == [1, 2, 1, 0]  # fmt: skip


def test_a_model_that_speaks_itself_has_ended_with_its_text():
    assert reported(("llm", "request", "a"), ("agent", "answer_text", "a")) == [1, 0]


def test_a_function_that_runs_is_open_work():
    assert reported(("llm", "tool_start", "t1"), ("llm", "tool_end", "t1")) == [1, 0]


def test_what_was_never_opened_closes_nothing_and_twice_is_once():
    assert reported(
        ("llm", "end", "x"), ("llm", "request", "a"), ("llm", "request", "a"), ("llm", "end", "a"),
    ) == [1, 0]  # fmt: skip


def test_a_new_conversation_begins_with_nothing_open():
    marks = WatchedMarks()
    counts: list[int] = []
    marks.put(stamp("llm", "request", request_id="a"))
    marks.report_to(counts.append)
    marks.put(stamp("turn", "release"))
    marks.put(stamp("llm", "request", request_id="b"))
    assert counts == [1]


def test_a_context_that_no_model_takes_is_no_open_work_where_others_wrote_the_pipeline():
    """A processor answers it itself, or a gate drops it."""
    guest = ("agent", "guest", "")
    assert reported(guest, ("llm", "request", "a")) == []
    taken = [("llm", "request", "a"), ("llm", "taken", "a"), ("llm", "end", "a")]
    assert reported(guest, *taken) == [1, 0]
    assert reported(guest, *taken[:2], ("llm", "request", "b")) == [1, 0]  # in mid-answer
    assert reported(*taken) == [1, 0]
    spoken = [guest, ("agent", "answer_text", "s")]  # by a model that speaks itself
    assert reported(*spoken, ("turn", "release", ""), *taken) == []
    assert reported(*spoken, ("turn", "start", ""), *taken) == [1, 0]
    tool = [("llm", "tool_start", "t"), ("llm", "tool_end", "t")]
    assert reported(*spoken, *tool, *taken) == [1, 0, 1, 0]
    marks = WatchedMarks()
    marks.put(stamp("agent", "guest"))
    counts: list[int] = []
    marks.report_to(counts.append)  # the next conversation may be of one of ours
    marks.put(stamp("llm", "request", request_id="a"))
    assert counts == [1]
