"""How the chat template writes the scene: the facts, and an index of them by noun, colour, place.

A model of this size finds "what came after this before" within minutes of training, but not
what stood before it. So the template writes every fact in the directions that questions take::

    The red block is on the table. The blue block is under the chair.
    →  two. red block on the table. blue block under the chair, block two red blue;
       red block; blue block: on table red block: under chair blue block

A pure function of the facts, done twice: ``rendered`` in Python for training, ``SCENE_JINJA`` in
the GGUF for the engines. A test holds the two against each other.
"""

from __future__ import annotations

NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
MANY = "many"


def number_word(number: int) -> str:
    """A count as the index writes it."""
    return NUMBERS[number] if number < len(NUMBERS) else MANY


def rendered(scene: str) -> str:
    """The system message as the model reads it; text without any fact stays as it is."""
    text = scene.strip()
    if " is " not in text:
        return text
    if text.endswith("."):
        text = text[:-1]
    facts: list[tuple[str, str, str]] = []
    for fact in text.replace("The ", "the ").replace("\n", " ").split(". "):
        thing, is_, place = fact.partition(" is ")
        if not is_:
            continue
        thing = thing.strip().replace("the ", "")
        colour, _, noun = thing.partition(" ")
        facts.append((colour, noun, place.strip()))
    out = f" {number_word(len(facts))}"
    for colour, noun, place in facts:
        out += f". {colour} {noun} {place}"
    for mark, key, value in (
        (",", lambda f: f[1], lambda f: f[0]),
        (";", lambda f: f[0], lambda f: f[1]),
        (":", lambda f: f[2].replace(" the ", " "), lambda f: f"{f[0]} {f[1]}"),
    ):
        groups: dict[str, list[str]] = {}
        for fact in facts:
            groups.setdefault(key(fact), []).append(value(fact))
        for name, values in groups.items():
            count = f" {number_word(len(values))}" if len(values) > 1 else ""
            out += f"{mark} {name}{count} {' '.join(values)}"
    return out


def _group(mark: str, key: str, value: str) -> str:
    """Jinja for one index: facts of one key behind each other, at the key's first mention."""
    return (
        "{%- for f in ns.facts -%}"
        f"{{%- set k = {key} -%}}"
        "{%- set g = namespace(seen=false, n=0, listed='') -%}"
        "{%- for e in ns.facts -%}"
        f"{{%- if {key.replace('f[', 'e[')} == k -%}}"
        "{%- if loop.index0 < f[3] -%}{%- set g.seen = true -%}{%- endif -%}"
        "{%- set g.n = g.n + 1 -%}"
        f"{{%- set g.listed = g.listed + ' ' + {value.replace('f[', 'e[')} -%}}"
        "{%- endif -%}"
        "{%- endfor -%}"
        "{%- if not g.seen -%}"
        f"{{{{- '{mark} ' + k -}}}}"
        "{%- if g.n > 1 -%}"
        f"{{{{- ' ' + (words[g.n] if g.n < words | length else '{MANY}') -}}}}"
        "{%- endif -%}"
        "{{- g.listed -}}"
        "{%- endif -%}"
        "{%- endfor -%}"
    )


# ``content`` is the system message. Only what the engines' Jinja surely has: no macros.
SCENE_JINJA = (
    "{%- set text = content | trim -%}"
    "{%- if ' is ' in text -%}"
    f"{{%- set words = '{' '.join(NUMBERS)}'.split(' ') -%}}"
    "{%- if text.endswith('.') -%}{%- set text = text[:-1] -%}{%- endif -%}"
    "{%- set ns = namespace(facts=[]) -%}"
    "{%- for fact in (text | replace('The ', 'the ') | replace('\\n', ' ')).split('. ') -%}"
    "{%- if ' is ' in fact -%}"
    "{%- set parts = fact.split(' is ') -%}"
    "{%- set thing = parts[0] | trim | replace('the ', '') -%}"
    "{%- set colour = thing.split(' ')[0] -%}"
    "{%- set noun = thing[colour | length + 1:] -%}"
    "{%- set place = fact[parts[0] | length + 4:] | trim -%}"
    "{%- set ns.facts = ns.facts + [[colour, noun, place, ns.facts | length]] -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- set total = ns.facts | length -%}"
    f"{{{{- ' ' + (words[total] if total < words | length else '{MANY}') -}}}}"
    "{%- for f in ns.facts -%}{{- '. ' + f[0] + ' ' + f[1] + ' ' + f[2] -}}{%- endfor -%}"
    + _group(",", "f[1]", "f[0]")
    + _group(";", "f[0]", "f[1]")
    + _group(":", "(f[2] | replace(' the ', ' '))", "f[0] + ' ' + f[1]")
    + "{%- else -%}{{- text -}}{%- endif -%}"
)
