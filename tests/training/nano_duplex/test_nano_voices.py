"""Voices: whole families are held out, whatever is done to them."""

from __future__ import annotations

import random

from training.nano_duplex import voices
from training.nano_duplex.voices import Voice, draw_sealed, draw_user, draw_woman


def test_no_draw_for_training_is_of_a_held_out_family_and_every_other_is():
    rng = random.Random(1)
    training = [draw_user(rng) for _ in range(3000)]
    assert not any(voice.held_out for voice in training)
    assert {voice.base for voice in training if voice.engine == "flite"} == {"kal16", "awb", "rms"}
    held = [draw_user(rng, held_out=True) for _ in range(500)]
    assert all(voice.held_out for voice in held)
    assert {voice.base.split("+")[-1] for voice in held} == {"slt", "f1", "f2", "f3", "f4", "f5"}


def test_families_are_apart():
    families = (voices.ESPEAK_TRAINING, voices.ESPEAK_HELD_OUT, voices.ESPEAK_SEALED)
    assert len({name for names in families for name in names}) == sum(map(len, families))
    assert not set(voices.ACCENTS) & set(voices.ACCENTS_SEALED)
    assert not set(voices.FLITE_TRAINING) & set(voices.FLITE_HELD_OUT)
    assert not voices.AGENT.held_out


def test_a_voice_has_a_key_of_its_own():
    assert voices.AGENT.key == "flite.rms.t100.p100.s100"
    warped = Voice("espeak", "en-us+f2", tempo=1.07, pitch=0.9, size=1.1)
    assert warped.key == "espeak.en-us+f2.t107.p90.s110"
    assert warped.held_out


def test_the_sealed_family_is_drawn_for_the_sealed_fixtures_alone():
    rng = random.Random(3)
    sealed = [draw_sealed(rng) for _ in range(500)]
    assert all(voice.held_out for voice in sealed)
    assert {v.base.split("+")[1] for v in sealed} == set(voices.ESPEAK_SEALED)
    assert 90 < sum(v.key.endswith("t100.p100.s100") for v in sealed) < 160
    others = [draw_user(rng, held_out=i % 2 == 0) for i in range(2000)]
    assert not {v.base.split("+")[-1] for v in others} & set(voices.ESPEAK_SEALED)


def test_a_woman_is_a_training_voice_made_higher():
    rng = random.Random(4)
    women = [draw_woman(rng) for _ in range(1000)]
    assert not any(voice.held_out for voice in women)
    flite = [v for v in women if v.engine == "flite"]
    assert 380 < len(flite) < 520
    # Her pitch as heard: by nature times both factors.
    assert all(1.29 < v.pitch * v.size < 2.2 for v in flite)
    assert all(v.size >= 0.95 for v in women)


def test_a_third_of_the_training_voices_are_women():
    rng = random.Random(5)
    drawn = [draw_user(rng) for _ in range(4000)]
    small = [v for v in drawn if v.engine == "flite" and v.size >= 1.08 and v.pitch >= 1.2]
    # .75 · .4 of the flite voices, and those of the others that happen to be drawn so.
    assert 0.30 < len(small) / sum(v.engine == "flite" for v in drawn) < 0.48
