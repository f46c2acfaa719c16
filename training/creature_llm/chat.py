"""The chat format: the same in training and, as a Jinja template, in the GGUF."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from training.creature_llm.retrieval import (
    NOTE_JINJA,
    SCENE_JINJA,
    START_JINJA,
    facts_of,
    note,
    scene,
)

END = "<|end|>"
SPECIAL = ("<|system|>", "<|user|>", "<|assistant|>", END)

# After the user's words stands what they name of the scene (retrieval.py).
# The user's words get a leading space, so that each word is the same token wherever it stands;
# they are lower-cased and stripped of marks, because a recogniser with punctuation (Whisper)
# must not look foreign to a model that was trained on bare words.
TEMPLATE = (
    START_JINJA + "{% for m in messages %}"
    "{% if m['role'] == 'user' %}"
    "{%- set said = ' ' + (m['content'] | lower | replace('.', '') | replace(',', '')"
    " | replace('?', '') | replace('!', '') | trim) + ' ' -%}"
    "<|user|>{{- said[:-1] -}}<|end|>"
    "{%- if known.facts | length -%}<|system|>" + NOTE_JINJA + "<|end|>{%- endif -%}"
    "{% elif m['role'] == 'system' %}"
    "<|system|>{%- set content = m['content'] -%}" + SCENE_JINJA + "<|end|>"
    "{% else %}<|{{ m['role'] }}|>{{ m['content'] | trim }}<|end|>{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def pieces(dialogue: Mapping[str, Any]) -> Iterable[tuple[str, bool]]:
    """Text pieces of a dialogue, and whether the model learns to say them."""
    facts = facts_of(dialogue["scene"])
    if dialogue["scene"]:
        yield f"<|system|>{scene(dialogue['scene'])}{END}", False
    for turn in dialogue["turns"]:
        yield f"<|user|> {turn['user']}{END}", False
        if facts:
            yield f"<|system|>{note(facts, turn['user'])}{END}", False
        if turn["spoken"] is None:
            yield "<|assistant|>", False
            yield f"{turn['agent']}{END}", True
        elif turn["spoken"]:
            yield f"<|assistant|>{turn['spoken']}{END}", False


def prompt(dialogue: Mapping[str, Any], upto: int) -> str:
    """The text before the answer to turn ``upto``; the engine's template must make the same."""
    turns = [dict(turn) for turn in dialogue["turns"][: upto + 1]]
    turns[upto]["spoken"] = ""
    text = "".join(text for text, _ in pieces({**dialogue, "turns": turns}))
    return f"{text}<|assistant|>"


def messages(dialogue: Mapping[str, Any], upto: int) -> list[dict[str, str]]:
    """The conversation as an agent sends it to answer turn ``upto``."""
    out = [{"role": "system", "content": dialogue["scene"]}] if dialogue["scene"] else []
    for number, turn in enumerate(dialogue["turns"][: upto + 1]):
        out.append({"role": "user", "content": turn["user"]})
        said = turn["agent"] if turn["spoken"] is None else turn["spoken"]
        if number < upto and said:
            out.append({"role": "assistant", "content": said})
    return out
