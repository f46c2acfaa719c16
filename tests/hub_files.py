"""What the hub in memory serves, and a few looks at what is left on disk."""

import hashlib

import pytest

from pipelines.models.fetching.fetch import fetch
from pipelines.models.ids import ModelFilesError

BIG = bytes(range(256)) * 800  # 204,800 bytes
SMALL = b'{"a": 1}\n'


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def left(home):
    """Every file under the models' folder, but for locks of processes and the manifests."""
    found = (p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file())
    return sorted(p for p in found if not p.startswith(("manifests/", ".partial/.tiny")))


def refused(model, words, **how):
    """One sentence, and no model that is there."""
    with pytest.raises(ModelFilesError, match=words) as caught:
        fetch(model, **how)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 500, text
    return text


def half_fetched(hub, model):
    """Leaves the large file in part on disk; the hub is well again."""
    hub.fault, hub.faulty = "cut", "model.bin"
    refused(model, "broke while 'model.bin' of lab/tiny was coming")
    hub.fault = ""
    hub.asked.clear()
