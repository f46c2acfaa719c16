"""What each column of a run's tables means, one sentence a column."""

from __future__ import annotations

from collections.abc import Mapping

from bench.report.text.listing import Column, Listing

MEANINGS: Mapping[str, str] = {
    # Headline
    "preset": "The pipeline that was measured; a TOML file each ('presets list').",
    "p50 [95 %]": "Median voice to voice, ms, with its 95 % interval; (n 6): too few for one (20).",
    "max": "The slowest answer that counts, ms.",
    "> 1 s": "Answers that took longer than a second, repeats counted.",
    "largest stage": "The part that is the largest share of a typical answer: the median over "
    "turns of part / voice to voice.",
    "answered": "Turns with an answer, of those that ask for one; repeats counted.",
    "right": "Turns in which the agent did what a good one does; no answer is a failure.",
    # All figures
    "weights": "trained, synthetic (random: costs are honest, words mean nothing) or scripted.",
    "valid/n": "Answers that count, of the turns that ask for one.",
    "invalid": "Share of turns left out: the measuring side was late, or nothing was understood.",
    "no answer": "Share of turns without an answer.",
    "p95 (≤)": "95th percentile, ms, with its one-sided 95 % upper bound, from 59 turns on.",
    "< 0": "Share of answers that began before the user had ended.",
    "vs log": "What was heard minus what the agent's own event log says, ms: what the log misses.",
    "endpointing delay": "User's last sound → the turn is released: VAD, end-of-turn model, and "
    "the wait for the final transcript.",
    "⊃ STT tail": "Within it: VAD stop → final transcript.",
    "LLM": "Request (or the turn's release, if later) → first text handed to the TTS.",
    "TTS": "Request → first byte, and the silence that leads the audio.",
    "output": "The first chunk is written → its first sample is heard.",
    "turn→ LLM": "Hand-over: turn's release → LLM request.",
    "LLM→ TTS": "Hand-over: text → TTS request.",
    "TTS→ link": "Hand-over: first byte → first chunk written.",
    "residual": "Σ of the hand-overs; beyond 20 ms a part's time is not accounted for.",
    "WER %": "Word errors of the transcript per word said; – where the model makes no transcript.",
    "success % [95 %]": "As right, with its interval.",
    "CPU s/min": "CPU seconds of the agent's processes per minute of audio.",
    "RSS MB": "Largest memory of the agent's processes.",
    "underrun ms": "Silence inside the agent's speech, per trial.",
    "mouth worst p99": "How late the measuring side sent a chunk: the largest p99 of a trial, ms.",
    "loop worst p99": "How late the agent took a chunk: the largest p99 of a trial, ms.",
    # Turn-taking
    "stop ms [95 %]": "User's interruption → the agent is silent.",
    "decided ms [95 %]": "User's interruption → the agent chose to yield.",
    "yields %": "Interruptions that stopped the agent within 2 s.",
    "false stops %": "Backchannels, coughs and side talk that stopped it.",
    "early starts %": "Labelled pauses of the user in which it began.",
    "takeover %": "Turns that want an answer in which it took over after the user's end.",
    "intrusion %": "Events that want no answer in which it took over.",
    "overlap %": "Share of the speech in which both spoke.",
    # Frames
    "frames": "Frames of 80 ms that the model was given.",
    "service p50": "Time from one completed frame to the next while input waits, ms.",
    "service p99": "Its 99th percentile, ms.",
    "rtf": "Mean service / 80 ms; above 1 the model falls behind.",
    "headroom": "80 ms − service p99.",
    "encode": "Audio → codes, ms.",
    "step": "Codes → the next codes and text, ms.",
    "decode": "Codes → audio, ms.",
    "frame latency p50": "Frame's last sample there → its output emitted, ms.",
    "p99": "The 99th percentile of the column before it, ms.",
    "added p50": "Carrying a frame to the model and back, ms.",
    "miss %": "Frames emitted more than 80 ms after the deadline before.",
    "B=80 miss %": "The same behind a pre-roll of 80 ms.",
    "backlog max": "Audio that the model had yet to take, ms.",
    "drift ms/s": "How fast the backlog grows, ms a second; over 120 s.",
    "verdict": "ramp: it falls behind for ever; bimodal: two kinds of frames; steady; too short to "
    "say.",
    # Cold start
    "model": "The model that was started.",
    "load": "Process started → model loaded, ms.",
    "warm-up": "Model loaded → ready, ms.",
    "warm start": "A conversation opens on a warm model → ready, ms.",
    "cold: first turn, p50 [95 %]": "First token where nothing of the prompt was read yet, ms.",
    "warm: later turns, p50 [95 %]": "First token of later turns, whose beginning is cached, ms.",
    # Known causes, and known answers
    "cause": "What is known to make answers slow, as the turn's marks show it (docs/causes.md).",
    "turns": "Turns that have the cause, of those with an answer; of a known answer those heard.",
    "p50": "Median of what the cause cost in the turns that have it, ms.",
    "largest": "The most that it cost in a turn, ms.",
    "set": "The delay that a scripted preset was set to, ms: the answer that must be read back.",
    "heard p50": "The median that was heard, ms.",
    "off by": "Heard minus set, ms.",
    "at most": "The same of the turn that was farthest off, ms.",
    # Trials
    "trial": "preset.fixture.repeat.",
    "slowest": "The trial's slowest answer, ms.",
    "status": "How the trial ended.",
    "note": "Its error; or that it is a warm-up, which is in no figure.",
    "every answer": "Voice to voice of every answer of the trial that counts, ms.",
}
"""Head of a column → its meaning."""


def explained() -> Listing:
    """A row a column."""
    rows = tuple({"column": head, "meaning": text} for head, text in MEANINGS.items())
    return Listing("columns", (Column("column", "column"), Column("meaning", "meaning")), rows)
