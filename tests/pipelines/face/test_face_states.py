import pytest

from pipelines.errors import LabError
from pipelines.face.states import EVENTS, StateMachine, read_policy
from pipelines.face.states import TABLE as STATES


@pytest.fixture
def machine():
    return StateMachine(read_policy())


def after(machine, *events, every_ms=100):
    seen = []
    for i, event in enumerate(events):
        machine.feed(event, i * every_ms)
        seen.append(machine.name)
    return seen


def test_a_turn_goes_from_listening_over_thinking_and_speaking_back(machine):
    turn = ("user_started", "user_stopped", "agent_started", "agent_stopped")
    assert after(machine, *turn) == ["listening", "thinking", "speaking", "listening"]


def test_a_promise_is_acted_out_and_ends_by_itself(machine):
    after(machine, "user_stopped", "agent_started", "promised", "agent_stopped")
    assert machine.name == "acting"
    assert not machine.tick(200 + 2499)
    assert machine.tick(200 + 2500)
    assert machine.name == "listening"


def test_an_interruption_makes_it_listen_at_once(machine):
    assert after(machine, "user_stopped", "agent_started", "interrupted")[-1] == "listening"


def test_nothing_understood_confuses_and_passes(machine):
    assert after(machine, "user_stopped", "heard_nothing")[-1] == "confused"
    machine.tick(10_000)
    assert machine.name == "listening"


def test_an_event_that_no_row_names_changes_nothing(machine):
    assert not machine.feed("task_done", 0)
    assert machine.name == "listening"


def test_what_is_said_decides_between_a_promise_and_an_apology():
    policy = read_policy()
    assert policy.event_of("Okay, I will dance.") == "promised"
    assert policy.event_of("Sorry, I cannot fly.") == "refused"
    assert policy.event_of("The ball is blue.") is None


def test_every_event_of_the_pipeline_is_used_by_the_table():
    policy = read_policy()
    assert {row.event for row in policy.transitions} == set(EVENTS)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('to = "thinking"', 'to = "thinkin"', "did you mean 'thinking'"),
        ('event = "error"', 'event = "eror"', "did you mean 'error'"),
        ('emotion = "sad"', 'emotion = "sed"', "did you mean 'sad'"),
        ('start = "listening"', 'begin = "listening"', "the key 'start' is missing"),
        ("arousal = 0.35", 'arousal = "high"', "must be a number"),
        ("'''\\b(sorry", "'''\\b((sorry", "no pattern"),
    ],
)
def test_a_wrong_table_is_reported_by_place(tmp_path, old, new, why):
    text = STATES.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(LabError, match=why):
        read_policy(path)
