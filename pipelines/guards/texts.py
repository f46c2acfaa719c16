"""Texts that others wrote, read without a surprise: TOML, JSON, and what UTF-8 can't hold.

A reader here raises what its library does, so that whoever handles that handles all: text nested
too deeply, or not in UTF-8, is one more way of not being TOML or JSON.
"""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from hashlib import sha256
from typing import Any

LONGEST_NAME = 80
"""Characters of a name that files are called by: a trial's holds two and more."""
_LONE = re.compile("[\ud800-\udfff]")
_UNFIT = re.compile(r"[^A-Za-z0-9._@+-]+")


def whole(text: str) -> str:
    """The text with U+FFFD for what UTF-8 can't hold: surrogates without their other half."""
    if _LONE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def parse_toml(text: str | bytes) -> dict[str, Any]:
    """A TOML text.

    Raises:
        tomllib.TOMLDecodeError: it is none, is nested too deeply, or is not in UTF-8.
    """
    try:
        return tomllib.loads(text if isinstance(text, str) else text.decode("utf-8"))
    except UnicodeDecodeError:
        raise tomllib.TOMLDecodeError("the text is not in UTF-8") from None
    except RecursionError:
        raise tomllib.TOMLDecodeError("its values are nested too deeply") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:  # a number of more digits than Python reads
        raise tomllib.TOMLDecodeError(str(error)) from None


def parse_json(text: str | bytes) -> Any:
    """A JSON text; every text in it can be written again in UTF-8.

    Raises:
        ValueError: it is none, is nested too deeply, or is not in UTF-8.
    """
    read = text if isinstance(text, str) else text.decode("utf-8")
    try:
        found = json.loads(read)
        if "\\ud" in read.lower() or _LONE.search(read):
            found = json.loads(whole(json.dumps(found, ensure_ascii=False)))
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    return found


def toml_string(text: str) -> str:
    """The text as a TOML string, quotes and all."""
    return json.dumps(whole(text), ensure_ascii=False).replace("\x7f", "\\u007f")


def fit_name(name: str) -> str:
    """A name made fit for files: letters, digits and ``. _ - @ +``, `LONGEST_NAME` at most.

    A name that is fit stays as it is. One of other scripts becomes ``preset-`` and some digits,
    the same for the same name.
    """
    plain = unicodedata.normalize("NFKD", whole(name)).encode("ascii", "ignore").decode()
    fit = _UNFIT.sub("_", plain).strip("_").lstrip(".-@+")[:LONGEST_NAME]
    if any(c.isalnum() for c in fit):
        return fit
    return f"preset-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
