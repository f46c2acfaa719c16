"""What a speech recogniser and a hesitating speaker do to a sentence, lightly."""

from __future__ import annotations

from training.creature_llm.language import Language

# Words that carry no slot: losing or doubling them changes no answer.
LOST = frozenset(
    [
        "the",
        "a",
        "an",
        "can",
        "you",
        "could",
        "would",
        "to",
        "and",
        "just",
        "is",
        "of",
        "my",
        "that",
        "this",
        "me",
        "for",
        "will",
        "i",
        "so",
        "now",
    ]
)
INSERTED = ("the", "a", "and", "uh", "um", "of", "oh", "the", "a", "i", "is")
# Mishearings that stay clear in this small world: none is a plural or another word of it.
MISHEARD = {
    "red": ["read", "rent", "bread"],
    "blue": ["blew", "bloom"],
    "green": ["greene", "queen", "grain"],
    "white": ["wide", "why", "whites"],
    "black": ["blacked", "blackened", "blacks"],
    "yellow": ["fellow", "yell"],
    "block": ["bloc", "blocked", "clock"],
    "ball": ["bald", "bowl", "bawl"],
    "cup": ["cops", "cut", "cap"],
    "book": ["brook", "booked"],
    "box": ["fox"],
    "pen": ["pan"],
    "key": ["he"],
    "sock": ["sack", "soc"],
    "spoon": ["soon"],
    "plate": ["late", "played"],
    "window": ["windows", "widow"],
    "table": ["tables", "able"],
    "shelf": ["self", "shelves"],
    "door": ["doors", "adore"],
    "chair": ["chairs", "share", "hair"],
    "floor": ["four", "for"],
    "the": ["a", "that", "to"],
    "a": ["the"],
    "and": ["an", "in"],
    "to": ["two", "too"],
    "for": ["four"],
    "can": ["and", "cannes"],
    "your": ["you're", "you"],
    "please": ["police", "plays"],
    "it": ["at", "is"],
    "pick": ["big", "picked", "kick"],
    "put": ["but", "foot"],
    "where": ["were", "wear"],
    "there": ["their"],
    "is": ["his", "as"],
    "what": ["but", "whats"],
}
FILLERS = ("um", "uh", "um", "uh", "er", "hmm", "you know", "like", "well")


def hesitate(language: Language, text: str) -> str:
    """Fillers, a repeated word or a broken-off start, as people speak."""
    rng, words = language.rng, text.split()
    kind = rng.random()
    at = rng.randrange(len(words))
    if kind < 0.5:
        words.insert(at, language.pick(FILLERS))
    elif kind < 0.8:
        words.insert(at, words[at])
    else:
        start = words[: 1 + rng.randrange(min(3, len(words)))]
        words = [*start, language.pick(FILLERS), *words]
    return " ".join(words)


def mishear(language: Language, text: str, rate: float) -> str:
    """The text as a recogniser might give it; ``rate`` is the share of words touched."""
    rng, out = language.rng, []
    for word in text.split():
        if rng.random() >= rate:
            out.append(word)
            continue
        kind = rng.random()
        if kind < 0.4 and word in LOST:
            continue
        if kind < 0.65:
            out += [word, language.pick(INSERTED)]
        elif word in MISHEARD:
            out.append(language.pick(MISHEARD[word]))
        else:
            out.append(word)
    return " ".join(out) or text
