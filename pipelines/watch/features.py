"""What the classifier looks at: the little words around a candidate, not what it is about. Pure.

Every word that is not in a fixed list of function words becomes ``_``, so that what is learned of
"did you bring the cup" holds for the newspaper, and a small corpus suffices.
"""

from __future__ import annotations

from pipelines.watch.spot import Candidate, Spotted

FUNCTION_WORDS = frozenset(
    """
    i you he she it we they me him her us them my your his our their this that these those one
    someone somebody anybody everybody everyone nobody something anything nothing
    the a an some any no not never ever always often usually already yet still just only too also
    and or but so because if when while until before after then than as like unless
    is are was were be been am do does did done doing has have had having will would could can
    should shall may might must need needs needed ought able going gonna let make sure try go come
    to of in on at by for from with without about into over up down off out under behind next
    what who where when why how which whose whether
    please kindly okay alright yes yeah sure right now today tomorrow tonight yesterday later soon
    again maybe perhaps once here there back moment second time way minute first last ago
    want wants wanted like likes liked love mind hope think thought know knew wish rather prefer
    remember forget tell told say says said ask asked asks answer answered mean meant call called
    shout shouted shouts sing sings song sign story film book word words heard hear
    sorry thanks thank hello hi hey oh um uh well robot pip
    favour kind possible possibly help job ready watch course
    ?
    """.split()
)
"""All other words are ``_``."""

SIDE = 4
"""So many words on each side have a place; further ones are only there or not."""


def plain(word: str) -> str:
    """The word, or ``_``."""
    return word if word in FUNCTION_WORDS else "_"


def features(spotted: Spotted, candidate: Candidate, who: str) -> list[str]:
    """Names of what is true of a candidate.

    Args:
        spotted: Its sentence.
        candidate: One of its candidates.
        who: ``user`` or ``agent``.
    """
    said = [plain(w) for w in spotted.words]
    left = ["^", *said[: candidate.start]]
    right = [*said[candidate.end :], "$"]
    form = "ing" if spotted.words[candidate.start].endswith("ing") else "base"
    names = [f"form={form}", f"left={min(candidate.start, 8)}", f"right={min(len(right) - 1, 5)}"]
    names += [f"task={candidate.task}", "open" if candidate.object is None else "named"]
    for size in (1, 2, 3, 4):
        names.append(f"L{size}={' '.join(left[-size:])}")
        names.append(f"R{size}={' '.join(right[:size])}")
    for size in (1, 2, 3):
        names.append(f"B{size}={' '.join(left[:size + 1])}")
    names += [f"l={w}" for w in set(left[-8:])] + [f"r={w}" for w in set(right)]
    names += [f"ll={a} {b}" for a, b in set(zip(left, left[1:], strict=False))]
    for index, word in enumerate(reversed(left[-SIDE:]), 1):
        names.append(f"L@{index}={word}")
    names.append(f"form+L2={form} {' '.join(left[-2:])}")
    others = {f"{who}:{name}" for name in names}
    return [f"who={who}", *sorted(others)]
