"""Voices: whole families are held out, whatever is done to them."""

from __future__ import annotations

import random

from training.nano_duplex import voices
from training.nano_duplex.voices import Voice, draw_user


def test_no_draw_for_training_is_of_a_held_out_family_and_every_other_is():
    rng = random.Random(1)
    training = [draw_user(rng) for _ in range(3000)]
    assert not any(voice.held_out for voice in training)
    assert {voice.base for voice in training if voice.engine == "flite"} == {"kal16", "awb", "rms"}
    held = [draw_user(rng, held_out=True) for _ in range(500)]
    assert all(voice.held_out for voice in held)
    assert {voice.base.split("+")[-1] for voice in held} == {"slt", "f1", "f2", "f3", "f4", "f5"}


def test_families_are_apart():
    assert not set(voices.ESPEAK_TRAINING) & set(voices.ESPEAK_HELD_OUT)
    assert not set(voices.FLITE_TRAINING) & set(voices.FLITE_HELD_OUT)
    assert not voices.AGENT.held_out


def test_a_voice_has_a_key_of_its_own():
    assert voices.AGENT.key == "flite.rms.t100.p100.s100"
    warped = Voice("espeak", "en-us+f2", tempo=1.07, pitch=0.9, size=1.1)
    assert warped.key == "espeak.en-us+f2.t107.p90.s110"
    assert warped.held_out
