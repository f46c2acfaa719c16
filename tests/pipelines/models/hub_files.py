"""What the hub in memory serves, and a few looks at what is left on disk."""

import hashlib

BIG = bytes(range(256)) * 800  # 204,800 bytes
SMALL = b'{"a": 1}\n'


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def left(home):
    """Every file under the models' folder, but for locks of processes and the manifests."""
    found = (p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file())
    return sorted(p for p in found if not p.startswith(("manifests/", ".partial/.tiny")))
