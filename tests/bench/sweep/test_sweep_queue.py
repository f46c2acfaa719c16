"""Which machine plays which shard: no Ray, no clock."""

from bench.sweep.cluster.queue import Queue, Waiting, names_of


def queue(**shards):
    """Cell → number of its shards, of 10 s each, by turns as a plan has them."""
    rows = [(i, cell) for cell, n in shards.items() for i in range(n)]
    return Queue(Waiting(f"{cell}{i}", cell, 10.0) for i, cell in sorted(rows))


def test_a_machine_stays_with_its_run_and_then_helps_where_most_is_left():
    one = queue(a=3, b=3, c=5)
    assert [one.next_for("north"), one.next_for("south")] == ["a0", "b0"]
    one.played("a0")
    assert one.next_for("north") == "a1"
    assert one.next_for("north") is None  # one shard at a time
    one.played("b0")
    assert one.next_for("south") == "b1"
    for name in ("a1", "b1"):
        one.played(name)
    assert [one.next_for("north"), one.next_for("south")] == ["a2", "b2"]
    for name in ("a2", "b2"):
        one.played(name)
    assert one.next_for("north") == "c0"  # nobody's
    assert one.next_for("south") == "c1"  # nothing else is left
    assert one.left_s == 50.0
    assert not one.over


def test_a_lost_shard_is_the_next_wherever_it_belongs():
    one = queue(a=3, b=3)
    assert [one.next_for("north"), one.next_for("south")] == ["a0", "b0"]
    one.lost("b0")
    one.played("a0")
    assert one.next_for("north") == "b0"
    one.played("b0")
    assert one.next_for("north") == "a1"


def test_a_shard_under_which_every_machine_is_lost_is_given_up():
    one = queue(a=2)
    for machine in ("north", "south", "east"):
        assert one.next_for(machine) == "a0"
        one.lost("a0")
    assert one.given_up == ["a0"]
    assert one.next_for("west") == "a1"
    one.played("a1")
    assert one.over


def test_a_machine_that_cannot_play_gets_no_more():
    one = queue(a=2)
    assert one.next_for("north") == "a0"
    one.refused("a0", "north: no models")
    assert one.aside == {"north": "north: no models"}
    assert one.next_for("north") is None
    assert one.next_for("south") == "a0"


def test_each_shard_is_played_once_by_any_number_of_machines():
    one, machines = queue(a=7, b=2, c=4), ["north", "south", "east"]
    order: list[str] = []
    while not one.over:
        order += filter(None, map(one.next_for, machines))
        one.played(next(iter(one.playing)))
    assert sorted(order) == sorted(
        [f"a{i}" for i in range(7)] + ["b0", "b1", "c0", "c1", "c2", "c3"]
    )


def test_two_nodes_of_one_name_are_told_apart_by_their_ids():
    seen = {"aaaaaaaa": "10.0.0.1", "bbbbbbbb": "10.0.0.1", "cccccccc": "north"}
    assert names_of(seen) == {
        "aaaaaaaa": "10.0.0.1",
        "bbbbbbbb": "10.0.0.1-bbbbbb",
        "cccccccc": "north",
    }
