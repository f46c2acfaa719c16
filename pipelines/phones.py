"""How a voice's phones travel to the lips: keys of an audio frame's metadata."""

from __future__ import annotations

PHONES = "phones"
"""``[[phone, start_ms, end_ms], …]``: the request's phones that became known with this frame, in ms
from the request's first sample. In IPA; only from engines that report phones."""
PHONES_AT = "phones_at_ms"
"""Start of the frame's own audio in its request, ms."""
