"""What leaves a conversation that does not fit into a model's context."""

from pipelines.engines.llm.context import CHARACTERS_A_TOKEN, Fit

SYSTEM = {"role": "system", "content": "s" * 78}  # 100 characters with its role and its frame


def user(n):
    return {"role": "user", "content": f"{n:080}"}  # 100


def agent(n):
    return {"role": "assistant", "content": f"{n:075}"}  # 100


def talk(turns):
    said = [SYSTEM]
    for n in range(turns):
        said += [user(n), agent(n)]
    return said[:-1]  # the last is not answered yet


def test_until_a_count_is_known_a_token_has_four_characters():
    fit = Fit()
    assert fit.tokens(talk(2)) == 400 / CHARACTERS_A_TOKEN == 100
    assert not fit.is_counted
    fit.learn(talk(1), 100)  # 200 characters
    assert fit.is_counted and fit.tokens(talk(2)) == 200


def test_a_conversation_that_fits_is_left_alone():
    assert not Fit().leaving(talk(10), 500)


def test_the_oldest_exchanges_leave_and_the_instructions_stay():
    # 21 messages of 25 tokens and the system's: 500; three quarters of 400 are 300.
    gone = Fit().leaving(talk(10), 400)
    assert (gone.start, gone.stop) == (1, 9)
    left = [m for k, m in enumerate(talk(10)) if k not in gone]
    assert left[0] == SYSTEM and left[1] == user(4) and left[-1] == user(9)
    assert Fit().tokens(left) == 300


def test_the_last_question_stays_with_the_note_before_it_however_long_they_are():
    note = {"role": "developer", "content": "n" * 4_000}
    said = [*talk(3)[:-1], note, user(2)]
    gone = Fit().leaving(said, 100)
    assert [m for k, m in enumerate(said) if k not in gone] == [SYSTEM, note, user(2)]
    assert not Fit().leaving([SYSTEM, note, user(0)], 100)


def test_a_call_leaves_with_its_result():
    call = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "look_up"}}]}
    result = {"role": "tool", "tool_call_id": "1", "content": "r" * 400}
    said = [SYSTEM, user(0), call, result, agent(0), user(1)]
    gone = Fit().leaving(said, 100)
    assert [m for k, m in enumerate(said) if k not in gone] == [SYSTEM, user(1)]
