"""The structures that espeak-ng's library passes to a callback, as its speak_lib.h declares
them.
"""

from __future__ import annotations

import ctypes


class Name(ctypes.Union):
    """Name in an event: a number, a mark, or a phone in at most eight bytes of UTF-8."""

    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class Event(ctypes.Structure):
    """espeak_EVENT."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", Name),
    )


Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event)
)
"""t_espeak_callback: samples, their number, events up to one of type 0."""
