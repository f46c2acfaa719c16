"""The wordings of physical tasks: one row per way of saying it, as patterns over plain words.

``{o}`` is a thing, ``{p}`` a place, ``{r}`` a relation (on, under …); ``<word>`` is a verb, also in
its -ing form. A pattern only proposes: "did you pick up the ball" fits one too.
"""

from __future__ import annotations

import re
from functools import cache

from pipelines.watch.reading.words import lexicon

RELATIONS: tuple[tuple[str, str], ...] = (
    ("in front of", "in front of"),
    ("on top of", "on"),
    ("right on", "on"),
    ("onto", "on"),
    ("upon", "on"),
    ("on", "on"),
    ("right next to", "next to"),
    ("close to", "next to"),
    ("next to", "next to"),
    ("beside", "next to"),
    ("at", "next to"),
    ("before", "in front of"),
    ("near", "next to"),
    ("by", "next to"),
    ("underneath", "under"),
    ("beneath", "under"),
    ("below", "under"),
    ("under", "under"),
    ("right behind", "behind"),
    ("in back of", "behind"),
    ("behind", "behind"),
    ("inside", "in"),
    ("into", "in"),
    ("in", "in"),
    ("to", "to"),
)
"""Relation as said → as the call names it."""

PRONOUNS = ("it", "them", "that", "this", "one", "these", "those", "that one", "this one")
_LEXICON = lexicon()
DETERMINERS, STOP = _LEXICON["determiners"], _LEXICON["ends_a_name"]
"""Words that end a thing's or a place's name."""

_WORD = rf"(?!(?:{'|'.join(sorted(STOP, key=len, reverse=True))})\b)[a-z0-9][a-z0-9']*"
_NAME = rf"{_WORD}(?: {_WORD}){{0,3}}"
_THING = rf"(?:(?:{'|'.join(DETERMINERS)}) )*{_NAME}(?: of (?:(?:the|a|my) )?{_NAME})?"
_PRONOUN = rf"(?:that one|this one|it|them|that|this|one|these|those)(?! {_WORD})"
_SLOTS = {
    "{o}": rf"(?P<o>{_THING}|{_PRONOUN})",
    "{p}": rf"(?P<p>{_THING}|there)",
    "{where}": rf"(?P<p>(?:(?:{'|'.join(DETERMINERS)}) )+{_NAME}|bed)",  # not "going to rain"
    "{r}": rf"(?P<r>{'|'.join(said for said, _ in RELATIONS)})",
}
_LIGHT = (
    r"(?:(?:the|all the|my|that) )?"
    r"(?P<o>(?:(?!so |and |now |please )\w+ )?(?:lights?|lamps?|radio|tv|television|fan))"
)

TASKS: tuple[tuple[str, str], ...] = (
    ("gesture", "<do|give|show|make>(?: (?:me|us|him|her|them|[a-z]+))? "
                "(?:a|your|another|how you)(?: little)? (?P<o>dance|wave|spin|bow|jump|turn)"),
    ("open", "<pull|get|push|make|slide> {o} open"),
    ("put", "<put|place|set|leave|drop|move|hide|lay|throw|stick|store|keep|return> {o}"
            "(?: back| down| away| over)? {r} {p}"),
    ("put", "<put|place|set|leave|drop|hide|lay> {o} (?:over )?(?P<p>there|here)"),
    ("put", "<carry|take|deliver|bring|move> {o}(?: back| over)? (?P<r>to|into|onto) "
            "(?!me\\b|you\\b|us\\b|him\\b|her\\b){p}"),
    ("switch_on", "<turn|switch|put|light> on {o}"),
    ("switch_on", "<turn|switch> {o} (?:back )?on(?! (?:the|a|my|your|top)\\b)"),
    ("switch_on", f"<put> {_LIGHT} on(?! (?:the|a|my|your|top)\\b)"),
    ("switch_on", f"{_LIGHT} on(?! (?:the|a|my|your|top)\\b)"),
    ("switch_on", "<start|activate> (?P<o>(?:the|my|that) [a-z]+(?: [a-z]+)?)"
                  "(?= (?:please|now)|$)"),
    ("switch_off", "<turn|switch> off {o}"),
    ("switch_off", "<turn|switch> {o} off"),
    ("switch_off", f"{_LIGHT} off"),
    ("switch_off", f"(?:put out|putting out|<kill>) {_LIGHT}"),
    ("pick_up", "<pick|lift|take> up {o}"),
    ("pick_up", "<pick|lift|take> {o} up"),
    ("pick_up", "<grab|lift|collect> {o}"),
    ("pick_up", "<take> {o}"),
    ("bring", "<bring|get|fetch|hand|pass|give> (?:me|us|you) {o}"),
    ("bring", "<bring|fetch> {o}"),
    ("bring", "<get|hand|pass|give> {o} (?:back |over )?(?:to|for) (?:me|us|you)"),
    ("bring", "<hand|pass> {o} over"),
    ("bring", "<get> (?P<o>(?:my|your|the) [a-z]+(?: [a-z]+)?)(?= (?:please|now)|$)"),
    ("bring", "let me have {o}"),
    ("come", "<come|get|move|drive|roll|walk|run|hurry>(?: right| on| back| over| a bit| a little)*"
             " (?:here|over|closer|to me|to you|back|near me)(?! to (?!me\\b|you\\b|us\\b))"),
    ("go_to", "<go|drive|walk|move|head|roll|run|hurry|travel>"
              "(?: right| straight| back| over| out| up| down| across)* (?:to|into|towards) "
              "{where}"),
    ("go_to", "on my way to {where}"),
    ("follow", "<follow>(?: me| you| us| along)(?! (?:home|all)\\b)"),
    ("follow", "<follow>$"),
    ("follow", "<come|walk|drive> (?:along )?(?:with|behind|after) (?:me|you|us)"),
    ("find", "<look|search>(?: around)? for {o}"),
    ("find", "<search> (?P<p>the [a-z]+(?: [a-z]+)?) for {o}"),
    ("find", "<find|locate> (?:me |you )?{o}"),
    ("open", "<open>(?: up)? {o}"),
    ("close", "<pull|push|slide> {o} (?:closed|shut)"),
    ("close", "<close|shut>(?: up)? {o}"),
    ("gesture", "(?P<o><dance|wave|sit|spin|bow|jump|nod>)"
                "(?: down| around)?(?: for (?:me|us|you)| to (?:me|us|you|[a-z]+))?"),
)  # fmt: skip
"""(task, pattern); where two match the same words, the earlier row gets them."""

CANCELS: tuple[str, ...] = (
    r"^(?:(?:oh|okay|alright|no|ah|well|wait|sorry|actually) )*never mind\b(?! (?!bring)\w+ing\b)",
    r"\bnever mind$",
    r"(?:^|\b(?:oh|no|okay|wait|actually|please|just) )(?:forget|cancel)"
    r"(?: about)?(?: it| that| this| the (?:task|job))?$",
    r"^(?:cancel|forget) (?:it|that|this)\b",
    r"(?:^|\b(?:no|wait|please|stop) )(?:please )?(?:do not|stop)(?: do(?:ing)?)?"
    r" (?:it|that|this)$",
    r"\bchanged my mind\b",
    r"^(?:please )?leave it(?: alone)?(?: i\b.*)?$",
    r"^(?:okay |alright |no )*i will (?:not do|leave) (?:it|that)$",
)
"""Patterns over a sentence's words that cancel a request."""


def gerund(verb: str) -> str:
    """The -ing form: put → putting, take → taking."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e"):
        return verb[:-1] + "ing"
    doubled = {"put", "get", "set", "grab", "drop", "run", "sit", "shut", "spin", "nod", "cut"}
    return verb + (verb[-1] if verb in doubled else "") + "ing"


def _verbs(found: re.Match[str]) -> str:
    verbs = found.group(1).split("|")
    both = [form for verb in verbs for form in (verb, gerund(verb))]
    return f"(?:{'|'.join(both)})"


@cache
def task_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """`TASKS`, compiled."""
    rows = []
    for task, pattern in TASKS:
        pattern = re.sub(r"(?<!\?P)<([a-z| ]+)>", _verbs, pattern)  # not a group's name
        for slot, expression in _SLOTS.items():
            pattern = pattern.replace(slot, expression)
        rows.append((task, re.compile(rf"\b{pattern}\b")))
    return tuple(rows)


@cache
def cancel_patterns() -> tuple[re.Pattern[str], ...]:
    """`CANCELS`, compiled."""
    return tuple(re.compile(pattern) for pattern in CANCELS)
