"""The sealed fixtures: what no earlier judgement and no training has said."""

from __future__ import annotations

import pytest

from bench.fixtures.library import load, verify
from training.nano_duplex import held_out, sealed, world
from training.nano_duplex.voices import ESPEAK_SEALED


@pytest.fixture
def few(tones, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (held_out, sealed):
        for name, number in (("PLAIN", 4), ("PAUSED", 3), ("CONVERSATIONS", 2)):
            monkeypatch.setattr(module, name, number)


def made(tmp_path, name: str) -> str:
    out = tmp_path / name
    sealed.main(["--beside", str(tmp_path / "old"), "--out", str(out)])
    return sealed.digest(out)


def test_the_same_seed_seals_the_same_bytes(few, tmp_path, capsys):
    held_out.main(["--out", str(tmp_path / "old")])
    first = made(tmp_path, "one")
    assert f"9 fixtures, 13 turns in {tmp_path / 'one'}, SHA-256 {first}" in capsys.readouterr().out
    assert made(tmp_path, "two") == first


def test_they_say_sealed_sentences_in_sealed_voices_and_none_of_the_old_ones(few, tmp_path):
    held_out.main(["--out", str(tmp_path / "old")])
    made(tmp_path, "new")
    old = sealed.sentences_of(tmp_path / "old")
    for path in sorted((tmp_path / "new").glob("*.toml")):
        fixture = load(path)
        assert verify(fixture) == [] and "sealed" in fixture.tags
        assert any(f"+{name}." in fixture.origin for name in ESPEAK_SEALED)
        assert "sealed.py" in fixture.origin
        for turn in fixture.turns:
            if turn.expect.respond:
                assert world.is_sealed(turn.text) and turn.text not in old
        if "floor" in path.stem:
            events = [turn.event for turn in fixture.turns]
            assert events[:2] == ["", "interruption"]
            assert len([event for event in events if event in ("backchannel", "cough")]) == 2


def test_without_the_old_fixtures_nothing_is_made(tmp_path):
    with pytest.raises(SystemExit, match="held_out first"):
        made(tmp_path, "new")
