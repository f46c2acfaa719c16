"""How a voice's phones travel to whoever moves the lips: keys of an audio frame's metadata."""

from __future__ import annotations

PHONES = "phones"
"""``[[phone, start_ms, end_ms], …]``: what became known of the request's phones with this frame, in
ms from the request's first sample. In IPA; only of engines that tell."""
PHONES_AT = "phones_at_ms"
"""Where the frame's own audio begins in its request, ms."""
