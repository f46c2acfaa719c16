"""What a run will do, before it begins."""

from dataclasses import replace

import pytest

from bench.cli.playing.planned import planned_in
from bench.runner.plan import Plan, choose, make_plan
from bench.runner.trial import caller_plan
from bench.store import store
from pipelines.errors import LabError


def plan(fixtures: str, presets: str = "cascade-embedded,cascade-stock") -> Plan:
    return make_plan(presets, fixtures, 1)


def played(made: Plan) -> list[tuple[str, str]]:
    return [(t.spec.name, t.fixture.name) for t in made.trials]


def test_presets_are_interleaved_and_take_turns_in_going_first():
    assert played(plan("cmd_stop,cmd_wait")) == [
        ("cascade-embedded", "cmd_stop"),
        ("cascade-stock", "cmd_stop"),
        ("cascade-stock", "cmd_wait"),
        ("cascade-embedded", "cmd_wait"),
    ]


def test_a_fixture_for_one_kind_is_played_to_presets_of_that_kind_only():
    made = plan("cmd_stop,scripted:cmd_wait", "cascade-embedded,cascade-scripted")
    assert played(made) == [
        ("cascade-embedded", "cmd_stop"),
        ("cascade-scripted", "cmd_stop"),
        ("cascade-scripted", "cmd_wait"),
    ]
    assert made.turns_per_preset == 1
    assert [t.spec.name for t in made.warmups()] == ["cascade-embedded", "cascade-scripted"]
    assert made.identity()["only"] == {"cmd_wait": "scripted"}


def test_what_is_named_for_all_is_played_to_all():
    assert choose("cmd_stop,scripted:cmd_stop")[1] == {}


def test_a_preset_that_has_fixtures_of_its_own_plays_nothing_else():
    made = plan(
        "cmd_stop,duplex-tiny:cmd_wait,duplex:cmd_dance",
        "cascade-embedded,duplex-nano,duplex-tiny",
    )
    assert played(made) == [
        ("duplex-nano", "cmd_dance"),
        ("duplex-nano", "cmd_stop"),
        ("cascade-embedded", "cmd_stop"),
        ("duplex-tiny", "cmd_wait"),
    ]
    assert made.identity()["own"] == {"duplex-tiny": ["cmd_wait"]}
    assert made.turns_per_preset == 1  # tiny's weights are synthetic: it has no figure of a turn


@pytest.mark.parametrize(
    ("fixtures", "have"),
    [("cmd_stop,cmd_wait", (2, 2, 2)), ("dialogue", (24, 6, 6)), ("quick", (25, 21, 21))],
)
def test_a_median_counts_the_plans_turns_and_a_tail_its_conversations(fixtures, have):
    assert plan(fixtures).bounds() == {
        0.5: (have[0], 20),
        0.95: (have[1], 59),
        0.99: (have[2], 299),
    }


def test_a_conversation_is_warmed_up_for_by_its_first_turn_alone():
    warm = plan("dialogue").warmups()
    assert [(t.fixture.name, len(t.fixture.turns)) for t in warm] == [("dialogue_name", 1)] * 2
    assert warm[0].trial_id == "cascade-embedded.dialogue_name.warmup0"


@pytest.mark.parametrize(
    ("fixtures", "said"),
    [
        ("robot:cmd_stop", "'robot' is not a kind"),
        ("duplex:cmd_stop", "nothing of it is for cascade-embedded"),
        ("duplex:cmd_stop,click:cmd_stop,cmd_wait", "cmd_stop is named for two kinds"),
    ],
)
def test_a_kind_that_fits_nothing_is_reported(fixtures, said):
    with pytest.raises(LabError, match=said):
        plan(fixtures)


def test_a_plan_counts_the_pauses_of_a_conversation_on_a_schedule():
    # 150 s, an answer at its end, and opening and closing the trial
    made = plan("session_150s", "cascade-embedded")
    assert made.seconds(made.trials) == pytest.approx(148.5 + 4 + 1.5, abs=0.6)


def test_a_barge_in_waits_for_the_answer_to_begin_and_not_for_its_end():
    made = plan("barge_in_stop", "cascade-embedded")
    (fixture,) = made.fixtures
    waits_s = 0.5 + 0.6  # before its two turns
    assert made.seconds(made.trials) == pytest.approx(fixture.duration_s + waits_s + 1 + 4 + 1.5)


def test_a_shorter_silence_ends_each_call_and_is_a_part_of_the_run():
    usual, brief = plan("cmd_stop"), replace(plan("cmd_stop"), silence_s=0.5, clicks=3)
    assert {t.silence_s for t in (*usual.warmups(), *usual.trials)} == {1.5}
    assert {t.silence_s for t in (*brief.warmups(), *brief.trials)} == {0.5}
    played = len(usual.specs) * 2  # a warm-up and a trial
    assert usual.seconds() - brief.seconds() == pytest.approx(played * 1.0)
    assert brief.identity() == {**usual.identity(), "silence_s": 0.5}


@pytest.mark.parametrize(("wait_s", "silence_s"), [(0.0, 1.5), (2.0, 1.5), (0.0, 0.5)])
def test_a_run_is_resumed_with_the_silences_that_it_had(tmp_path, wait_s, silence_s):
    made = replace(plan("cmd_stop"), wait_s=wait_s, silence_s=silence_s)
    store.write_info(tmp_path, {"plan": made.identity()})
    found = planned_in(tmp_path)
    assert (found.wait_s, found.silence_s) == (wait_s, silence_s)
    assert found.identity() == made.identity()


def test_a_run_that_is_a_part_of_another_keeps_its_numbers(tmp_path):
    made = replace(plan("cmd_stop"), repeats=2, first_repeat=4, first_again=30)
    assert sorted({trial.repeat for trial in made.trials}) == [4, 5]
    assert [replace(made, first_again=0).again_from, made.again_from] == [6, 30]
    store.write_info(tmp_path, {"plan": made.identity()})
    assert planned_in(tmp_path).identity() == made.identity()


def test_a_caller_waits_for_the_longest_silence_that_is_asked_for():
    (trial,) = plan("cmd_stop", "cascade-embedded").trials

    def waited_s(*silences_s):
        (turn,) = caller_plan("t", trial.spec, trial.fixture, *silences_s).turns
        return turn.wait_s

    assert [waited_s(), waited_s(3.0), waited_s(0.0, 0.5), waited_s(1.0, 0.5)] == [
        1.5,
        3.0,
        0.5,
        1.0,
    ]
