"""Task 5a. Rules: which tasks for the robot's body does a sentence ask for, or promise?

Nothing but the standard library, so that the check can call it.
"""

import re

RULES: tuple[tuple[str, str], ...] = (
    ("pick_up", r"\bpick up\b"),
    # TODO: bring, put, go_to, come, follow, find, open, close, switch_on, switch_off, gesture …
)
"""(task, pattern over lower-case text)."""

NOT_MEANT: tuple[str, ...] = (
    # TODO: what shows that the words are not meant: a question, the past, a quotation, an offer …
)
"""Patterns; where one is found, the sentence asks for nothing."""


def tasks(text: str, who: str) -> list[str]:
    """The tasks of one sentence, in their order.

    Args:
        text: As it was said: by the user ("bring me the cup") or by the agent ("I'll bring it.").
        who: ``user`` or ``agent``.
    """
    text = text.lower()
    if any(re.search(pattern, text) for pattern in NOT_MEANT):
        return []
    found = [(m.start(), task) for task, pattern in RULES for m in re.finditer(pattern, text)]
    return [task for _, task in sorted(found)]


def main() -> None:
    """Says how good the rules are, on the corpus, and on sentences.tsv (don't read that file)."""
    from labs.lab5b_duplex.reading import CORPUS, SENTENCES, f1, read_table

    for name, path in (("corpus", CORPUS), ("hand-written sentences", SENTENCES)):
        rows = read_table(path)
        print(f"{name}: F1 {f1(rows, [tasks(row.text, row.who) for row in rows]):.3f}")


if __name__ == "__main__":
    main()
