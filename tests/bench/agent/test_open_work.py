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


def test_a_context_that_nobody_asked_for_is_no_open_work():
    """A model that speaks itself is handed its own answer; nothing comes of that."""
    assert reported(("agent", "answer_text", "a"), ("llm", "request", "b")) == []
    answered = [("llm", "request", "a"), ("agent", "answer_text", "a")]
    assert reported(*answered, ("llm", "request", "b")) == [1, 0]
    tool = [("llm", "tool_start", "t"), ("llm", "tool_end", "t")]
    assert reported(*answered, *tool, ("llm", "request", "b")) == [1, 0, 1, 0, 1]
