"""The tables of docs/mimi-onnx.md, from what the scripts measure."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import moshi_tables  # noqa: E402  (found by the path above)
import real_time  # noqa: E402
from readme import filled  # noqa: E402

MIMI = {
    "cpu": "Z80",
    "frames": 800,
    "onnx": {"encoder": {"bits": 16}, "decoder": {"bits": 8}},
    "ms": {
        "onnx": {"encode": 15.04, "decode": 14.0},
        "rustymimi": {"encode": 49.0, "decode": 52.0},
    },
    "ratio": {"rustymimi": 0.2875},
    "same_codes": {"rustymimi": 0.99875},
    "snr_db": {"rustymimi": 53.4},
}
STEP = {
    "cpu": "Z80",
    "steps": 200,
    "tiny": {
        "ms": {"onnx": 4.4, "temporal": 2.0, "depth": 2.2, "mlx bf16": 42.1, "mlx q4": 35.72},
        "ratio": 0.1235,
    },
}
STT = [
    {
        "engine": "kyutai-stt-onnx", "model": "1b", "threads": 2, "what": "3 s of audio",
        "unit": "ms", "values": [2000.0, 2100.0, 2300.0],
    }
]  # fmt: skip
LOADING = {
    "machine": {"cpu": "Z80"},
    "duplex-tiny": {
        "backend": "onnx", "write_s": None, "cold_s": 2.04, "warm_s": 1.0,
        "rss_mb": 547.6, "pss_mb": 400.0, "private_mb": 300.0,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "measured", "row"),
    [
        ("mimi", MIMI, "| 16, 8 | 800 | 15.0 | 14.0 | rustymimi | 49.0 | 52.0 | 0.287 | 99.88 % | "
         "53 dB |"),
        ("step", STEP, "| tiny | 4.4 | 2.0 | 2.2 | 42.1 | 35.7 | 0.123 |"),
        ("stt", STT, "| kyutai-stt-onnx | 1b | 2 | 3 s of audio | 2100.0 | 2000.0–2300.0 | ms |"),
        ("loading", LOADING, "| duplex-tiny | onnx | – | 2.0 | 1.0 | 548 | 400 | 300 |"),
    ],
)  # fmt: skip
def test_a_measurement_is_a_row_and_the_rest_of_the_page_stays(
    name, measured, row, tmp_path, monkeypatch
):
    page, file = tmp_path / "page.md", tmp_path / "measured.json"
    before = moshi_tables.DOCS.read_text(encoding="utf-8")
    page.write_text(before, encoding="utf-8")
    file.write_text(json.dumps(measured), encoding="utf-8")
    monkeypatch.setattr(moshi_tables, "DOCS", page)
    monkeypatch.setattr(sys, "argv", ["moshi_tables.py", f"--{name}", str(file)])
    moshi_tables.main()
    after = page.read_text(encoding="utf-8")
    assert f"\n{row}\n<!-- /{name} -->" in after
    assert filled(after, name, "") == filled(before, name, "")


def test_a_run_of_150_s_is_a_table(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("<!-- real-time -->\n<!-- /real-time -->\n", encoding="utf-8")
    monkeypatch.setattr(moshi_tables, "DOCS", page)
    run = ROOT / "results" / "sample"
    monkeypatch.setattr(sys, "argv", ["moshi_tables.py", "--real-time", str(run)])
    moshi_tables.main()
    wanted = "\n".join(
        ("<!-- real-time -->", real_time.table(run).rstrip(), "<!-- /real-time -->\n")
    )
    assert page.read_text(encoding="utf-8") == wanted
