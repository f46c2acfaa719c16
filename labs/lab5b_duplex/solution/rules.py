"""Task 5a. Rules: which tasks for the robot's body does a sentence ask for, or promise?

Nothing but the standard library, so that the check can call it.
"""

import re

RULES: tuple[tuple[str, str], ...] = (
    ("pick_up", r"\b(?:pick(?:ing)? up|pick(?:ing)? [\w ]{1,20} up|grab(?:bing)?|lift(?:ing)?)\b"),
    ("bring", r"\b(?:bring(?:ing)?|fetch(?:ing)?|(?:get|hand|pass|give) (?:me|us|you)) "
              r"(?!.*\bto the)"),
    ("put", r"\b(?:put|putting|place|leave|set|hide|drop|move) [\w ]{1,25}"
            r"(?: on| in| under| behind| next to| into) (?:the|my)\b"),
    ("go_to", r"\b(?:go|drive|walk|head)(?: over)? (?:to|into) the\b"),
    ("come", r"\bcome (?:over |right |back )?(?:here|closer|to me)\b"),
    ("follow", r"\bfollow(?: me| you)?$"),
    ("find", r"\b(?:find|look(?:ing)? for|search for) (?:the|my|a|your)\b"),
    ("open", r"\bopen(?:ing)?(?: up)? (?:the|my|that)\b"),
    ("close", r"\b(?:clos(?:e|ing)|shut)(?: up)? (?:the|my|that)\b"),
    ("switch_on", r"\b(?:turn|switch|turning|switching) (?:on\b|(?:the|my) [\w ]{1,20} on\b)"),
    ("switch_off", r"\b(?:turn|switch|turning|switching) (?:off\b|(?:the|my) [\w ]{1,20} off\b)"),
    ("gesture", r"\b(?:dance|wave|sit|spin|bow|jump|nod)\b"),
    ("cancel", r"^(?:oh |okay )?never mind|^forget it|^cancel"),
)  # fmt: skip
"""(task, pattern over lower-case text)."""

NOT_MEANT: tuple[str, ...] = (
    r"\?",
    r"^(?:did|do|does|is|are|was|were|who|why|when|how|what|where|which|shall|should|have)\b",
    r"\b(?:said|says|told|asked|yesterday|already|always)\b",
    r"\b(?:not|n't|never|won't|cannot|no need)\b(?! mind)",
    r"^i (?:could|can|might|have|was|would)\b",
)
"""Patterns; where one is found, the sentence asks for nothing."""


def tasks(text: str, who: str) -> list[str]:
    """The tasks of one sentence, in their order.

    Args:
        text: As it was said: by the user ("bring me the cup") or by the agent ("I'll bring it.").
        who: ``user`` or ``agent``.
    """
    text = text.lower().rstrip(".!")
    if any(re.search(pattern, text) for pattern in NOT_MEANT):
        return []
    found = [(m.start(), task) for task, pattern in RULES for m in re.finditer(pattern, text)]
    return [task for _, task in sorted(found)]


def main() -> None:
    """Says how good the rules are, on the corpus (sentences.tsv stays closed until the end)."""
    from labs.lab5b_duplex.reading import CORPUS, SENTENCES, f1, read_table

    for name, path in (("corpus", CORPUS), ("hand-written sentences", SENTENCES)):
        rows = read_table(path)
        print(f"{name}: F1 {f1(rows, [tasks(row.text, row.who) for row in rows]):.3f}")


if __name__ == "__main__":
    main()
