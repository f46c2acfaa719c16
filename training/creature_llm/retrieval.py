"""What the chat template adds: the scene as a list, and after each user turn the facts it names.

A model of this size does not learn in an hour on two cores to find a fact by its words; it learns
at once to repeat one that stands before it. So the template does what retrieval does for larger
models: after the user's words it writes how many facts of the scene they name, and which::

    scene   The red block is on the table. The blue block is under the chair.
         →  two the red block on the table and the blue block under the chair
    where is the blue block   →  one the blue block under the chair
    what is on the table      →  one the red block
    hello                     →  zero

It only compares words: whether a fact answers the question, and how, is the model's part. A pure
function done twice: `scene` and `note` in Python for training, ``SCENE_JINJA`` and ``NOTE_JINJA``
in the GGUF for the engines. A test holds the two against each other.
"""

from __future__ import annotations

Fact = tuple[str, str, str]
"""Colour, noun, and place with its preposition."""

NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
MANY = "many"
PHRASE, NOUN, COLOUR, PLACE = 20, 10, 5, 1
"""What it counts that the user's words hold the fact's colour and noun together, its noun, its
colour, and its place: of the room one, of the whole phrase two. The best facts are written."""


def facts_of(system: str) -> list[Fact]:
    """The facts of a system message; empty where it is another text."""
    text = system.strip()
    text = text[:-1] if text.endswith(".") else text
    found: list[Fact] = []
    for sentence in text.replace("The ", "the ").replace("\n", " ").split(". "):
        thing, is_, place = sentence.partition(" is ")
        colour, space, noun = thing.strip().replace("the ", "").partition(" ")
        if is_ and space:
            found.append((colour, noun, place.strip()))
    return found


def scene(system: str) -> str:
    """The system message as the model reads it; text without any fact stays as it is."""
    facts = facts_of(system)
    return _listed(facts, places=True) if facts else system.strip()


def note(facts: list[Fact], user: str) -> str:
    """What the user's words (lower case, no marks) name of the scene."""
    said = f" {user} "
    scores = [_score(fact, said) for fact in facts]
    best = max(scores)
    named = [fact for fact, score in zip(facts, scores, strict=True) if score == best > 0]
    return _listed(named, places=best >= NOUN)


def _score(fact: Fact, said: str) -> int:
    colour, noun, place = fact
    room = place.split("the ")[-1]
    at = PLACE * ((f" {room} " in said) + (f" {place} " in said))
    if f" {colour} {noun}" in said:
        return PHRASE + at
    if f" {noun} " in said or f" {noun}s " in said or f" {noun}es " in said:
        return NOUN + at
    return COLOUR if f" {colour} " in said else at


def _listed(facts: list[Fact], places: bool) -> str:
    out = " " + (NUMBERS[len(facts)] if len(facts) < len(NUMBERS) else MANY)
    for number, (colour, noun, place) in enumerate(facts):
        out += " and" if number and number == len(facts) - 1 else "," if number else ""
        out += f" the {colour} {noun} {place}" if places else f" the {colour} {noun}"
    return out


# Only what the engines' Jinja surely has: no macros. ``content`` is the system message; the facts
# are kept in ``known`` for the turns that follow.
_COUNT = f"{{{{- ' ' + (words[total] if total < words | length else '{MANY}') -}}}}"
_SEPARATOR = (
    "{%- if i > 0 -%}{{- ' and' if i == total - 1 else ',' -}}{%- endif -%}"
    "{{- ' the ' + f[0] + ' ' + f[1] -}}"
)
START_JINJA = (
    "{%- set known = namespace(facts=[], named=[], best=0) -%}"
    f"{{%- set words = '{' '.join(NUMBERS)}'.split(' ') -%}}"
)
SCENE_JINJA = (
    "{%- set text = content | trim -%}"
    "{%- if text.endswith('.') -%}{%- set text = text[:-1] -%}{%- endif -%}"
    "{%- set known.facts = [] -%}"
    "{%- for fact in (text | replace('The ', 'the ') | replace('\\n', ' ')).split('. ') -%}"
    "{%- if ' is ' in fact -%}"
    "{%- set parts = fact.split(' is ') -%}"
    "{%- set thing = parts[0] | trim | replace('the ', '') -%}"
    "{%- if ' ' in thing -%}"
    "{%- set colour = thing.split(' ')[0] -%}"
    "{%- set noun = thing[colour | length + 1:] -%}"
    "{%- set place = fact[parts[0] | length + 4:] | trim -%}"
    "{%- set known.facts = known.facts + [[colour, noun, place]] -%}"
    "{%- endif -%}{%- endif -%}{%- endfor -%}"
    "{%- set total = known.facts | length -%}"
    "{%- if total -%}"
    + _COUNT
    + "{%- for f in known.facts -%}{%- set i = loop.index0 -%}"
    + _SEPARATOR
    + "{{- ' ' + f[2] -}}{%- endfor -%}"
    "{%- else -%}{{- content | trim -}}{%- endif -%}"
)
NOTE_JINJA = (
    "{%- set known.best = 0 -%}{%- set known.named = [] -%}"
    "{%- for f in known.facts -%}"
    "{%- set room = f[2].split('the ') | last -%}"
    "{%- set at = (1 if ' ' + room + ' ' in said else 0)"
    " + (1 if ' ' + f[2] + ' ' in said else 0) -%}"
    "{%- if ' ' + f[0] + ' ' + f[1] in said -%}"
    f"{{%- set score = {PHRASE} + at -%}}"
    "{%- elif ' ' + f[1] + ' ' in said or ' ' + f[1] + 's ' in said"
    " or ' ' + f[1] + 'es ' in said -%}"
    f"{{%- set score = {NOUN} + at -%}}"
    "{%- elif ' ' + f[0] + ' ' in said -%}"
    f"{{%- set score = {COLOUR} -%}}"
    "{%- else -%}{%- set score = at -%}{%- endif -%}"
    "{%- if score > known.best -%}"
    "{%- set known.best = score -%}{%- set known.named = [] -%}{%- endif -%}"
    "{%- if score == known.best and score > 0 -%}"
    "{%- set known.named = known.named + [f] -%}{%- endif -%}"
    "{%- endfor -%}"
    "{%- set total = known.named | length -%}"
    + _COUNT
    + "{%- for f in known.named -%}{%- set i = loop.index0 -%}"
    + _SEPARATOR
    + f"{{%- if known.best >= {NOUN} -%}}{{{{- ' ' + f[2] -}}}}{{%- endif -%}}{{%- endfor -%}}"
)
