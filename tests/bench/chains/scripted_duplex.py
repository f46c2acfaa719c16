"""Presets of scripted duplex models, and the values of their marks."""

from pipelines.spec import parse_spec

PRESET = """
title = "scripted"
architecture = "duplex"
kind = "duplex"
weights = "scripted"
[audio]
in_rate_hz = {in_rate_hz}
out_rate_hz = 24000
out_10ms_chunks = 8
[model]
id = "scripted-test"
backend = "scripted"
[processor]
unpaced_frames = {unpaced}
[script]
service_ms = {service_ms}
gate_ms = 200
yields_ms = 200
phrase = "All right, I am on my way to you now."
"""


def preset(service_ms, unpaced, in_rate_hz=24_000):
    text = PRESET.format(service_ms=service_ms, unpaced=unpaced, in_rate_hz=in_rate_hz)
    return parse_spec("scripted-test", text)


def values(marks, event, prefix="duplex-"):
    found = [m for m in marks if (m.stage, m.event) == ("duplex", event)]
    return [int(m.value) for m in found if m.request_id.startswith(prefix)]
