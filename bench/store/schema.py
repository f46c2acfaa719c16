"""The tables of a run, as data: every column with its type, its unit and what it means.

Each parquet file carries the version of this schema. A change of a column's meaning, name or type
is a new version with a line in `HISTORY`; a new column with a default is one too.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = 5
"""Written into the metadata of each parquet file."""

HISTORY: dict[int, str] = {
    1: "The first: trials, marks, metrics.",
    2: "trials: preroll_ms, 0 in older runs. metrics: the frames of duplex models.",
    3: "metrics: turn_wait is endpointing_delay, underflows is underruns, underflow_ms is "
    "underrun_ms; in older runs they are renamed when read.",
    4: "causes: a new table; older runs have none until `duplex-lab metrics RUN`. marks: "
    "turn.proposed, stt.ttfs_p99, tts.rate, agent.blocked; a value of vad.speech_start, stt.final "
    "and tts.first_byte, a text of turn.analysis.",
    5: "trials: network, empty in older runs. marks: network.passed_up, network.passed_down, "
    "network.lost, network.stalled. metrics: what a simulated network did, connect_ms, "
    "handshake_ms.",
}
"""Schema version → what changed."""

RENAMED_METRICS: dict[str, str] = {
    "turn_wait": "endpointing_delay",
    "underflows": "underruns",
    "underflow_ms": "underrun_ms",
}
"""Metric's name in runs of versions 1 and 2 → its name since version 3."""


def todays_name(metric: str) -> str:
    """A metric's name as it is called since the newest version of the schema."""
    return RENAMED_METRICS.get(metric, metric)


def names_of(metric: str) -> list[str]:
    """The names under which files of any version hold a metric, by today's name."""
    return [metric, *(old for old, new in RENAMED_METRICS.items() if new == metric)]


VERSION_KEY = b"duplex_lab.schema_version"
TABLE_KEY = b"duplex_lab.table"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    """Name in the file."""
    type: str
    """``string``, ``int64``, ``float64`` or ``bool``."""
    unit: str
    """Unit of the values; empty where there is none."""
    description: str
    """The column's meaning; one line."""
    nullable: bool = False
    """True if the value may be null: the fact is unknown, never 0 in its place."""
    since: int = 1
    """Version of the schema that added the column; older files lack it, and its record's default
    holds."""


def _nullable(name: str, type_: str, unit: str, description: str) -> Column:
    return Column(name, type_, unit, description, nullable=True)


TRIALS = (
    Column("run_id", "string", "", "the run, the name of its folder"),
    Column("trial_id", "string", "", "`<preset>.<fixture>.<repeat>`, unique within the run"),
    Column("preset", "string", "", "the pipeline under test"),
    Column("fixture", "string", "", "the user's side of the conversation"),
    Column("fixture_sha256", "string", "", "identity of the fixture's labels and audio"),
    Column("repeat", "int64", "", "number of the repetition, from 0"),
    Column("warmup", "bool", "", "a warm-up: kept, never in a statistic"),
    Column(
        "status",
        "string",
        "",
        "ok, hung_up, no_answer, still_working, cue_missed, error, ruler_late or cut_off",
    ),
    _nullable("error", "string", "", "what failed, in one sentence"),
    Column("t0_ns", "int64", "ns", "when the recording's sample 0 is, on the monotonic clock"),
    Column("rate_hz", "int64", "Hz", "rate of the recording"),
    Column("chunk_ms", "int64", "ms", "length of the chunks that the caller sends"),
    Column("chunks_sent", "int64", "", "how many it sent"),
    Column("device_buffer_ms", "float64", "ms", "how far the agent may write ahead of the ear"),
    _nullable("recording", "string", "", "path of the stereo FLAC, relative to the run's folder"),
    Column("turns", "int64", "", "turns of the user that the fixture holds"),
    Column("weights", "string", "", "trained, synthetic or scripted"),
    _nullable("mouth_late_ms_p50", "float64", "ms", "chunk sent − chunk due, median"),
    _nullable("mouth_late_ms_p99", "float64", "ms", "the same, 99th percentile"),
    _nullable("mouth_late_ms_max", "float64", "ms", "the same, largest"),
    _nullable("ear_late_ms_p50", "float64", "ms", "chunk received − chunk written, median"),
    _nullable("ear_late_ms_p99", "float64", "ms", "the same, 99th percentile"),
    _nullable("ear_late_ms_max", "float64", "ms", "the same, largest"),
    _nullable("cpu_agent_s", "float64", "s", "CPU time of the agent's process tree"),
    _nullable("cpu_caller_s", "float64", "s", "CPU time of the caller's process"),
    _nullable("rss_agent_peak_mb", "float64", "MB", "peak memory of the agent's process tree"),
    _nullable("rss_caller_peak_mb", "float64", "MB", "peak memory of the caller's process"),
    Column("audio_s", "float64", "s", "length of the recording"),
    Column("wall_s", "float64", "s", "duration of the trial"),
    _nullable("load_avg_1m", "float64", "", "the machine's load average at the trial's end"),
    Column("started_utc", "string", "", "when the trial began, ISO 8601"),
    Column(
        "kind",
        "string",
        "",
        "cascade, speech, duplex, remote, recorded, scripted or click: what its validity asks",
    ),
    Column(
        "preroll_ms", "float64", "ms", "B of the ear's jitter buffer; 0: there is none", since=2
    ),
    Column(
        "network",
        "string",
        "",
        "the network that was simulated between user and agent; empty: none",
        since=5,
    ),
)

MARKS = (
    Column("trial_id", "string", "", "the trial"),
    Column("seq", "int64", "", "order in which the run took the marks, from 0 in each trial"),
    Column("t_ns", "int64", "ns", "when, on the machine's monotonic clock"),
    Column("stage", "string", "", "who stamped it, see `pipelines/marks.py`"),
    Column("event", "string", "", "what happened, see `pipelines/marks.py`"),
    Column("turn", "int64", "", "the user's turn, from 0; −1 where the stamper can't know"),
    Column("request_id", "string", "", "ties what belongs together; may be empty"),
    Column("pid", "int64", "", "the process that stamped it"),
    _nullable("value", "float64", "", "meaning by event, see `pipelines/marks.py`"),
    _nullable("text", "string", "", "meaning by event, see `pipelines/marks.py`"),
)

METRICS = (
    Column("run_id", "string", "", "the run"),
    Column("trial_id", "string", "", "the trial"),
    Column("preset", "string", "", "the pipeline under test"),
    Column("fixture", "string", "", "the user's side of the conversation"),
    Column("repeat", "int64", "", "number of the repetition, from 0"),
    Column("warmup", "bool", "", "a warm-up: kept, never in a statistic"),
    Column("turn", "int64", "", "the user's turn, from 0; −1: the figure is of the whole trial"),
    Column("metric", "string", "", "name of the metric, see the rows in `bench/metrics/`"),
    _nullable("subject", "string", "", "what the figure is of where there are several: a model"),
    _nullable("value", "float64", "", "the figure; null where there is none, with the reason"),
    Column("unit", "string", "", "unit of the value"),
    Column("valid", "bool", "", "false: shown, but left out of every statistic"),
    _nullable("reason", "string", "", "why the value is null or not valid"),
    Column("weights", "string", "", "trained, synthetic or scripted"),
)

CAUSES = (
    Column("run_id", "string", "", "the run", since=4),
    Column("trial_id", "string", "", "the trial", since=4),
    Column("preset", "string", "", "the pipeline under test", since=4),
    Column("fixture", "string", "", "the user's side of the conversation", since=4),
    Column("repeat", "int64", "", "number of the repetition, from 0", since=4),
    Column("warmup", "bool", "", "a warm-up: kept, never in a statistic", since=4),
    Column("turn", "int64", "", "the user's turn, from 0", since=4),
    Column("cause", "string", "", "name of the cause, see `docs/causes.md`", since=4),
    Column(
        "loses",
        "string",
        "",
        "what the time is lost of: answer (voice to voice), stop (the stop for an interruption), "
        "figure (nothing: voice to voice shows that much too little)",
        since=4,
    ),
    Column("lost_ms", "float64", "ms", "what the cause cost in this turn", since=4),
    Column("detail", "string", "", "what was seen, in a few words", nullable=True, since=4),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "trials": TRIALS,
    "marks": MARKS,
    "metrics": METRICS,
    "causes": CAUSES,
}
"""Table name → its columns, in the order of the file ``<name>.parquet``."""


def arrow_schema(table: str) -> pa.Schema:
    """The arrow schema of a table, with the version in its metadata."""
    types = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
    }
    fields = [pa.field(c.name, types[c.type], nullable=c.nullable) for c in TABLES[table]]
    metadata = {VERSION_KEY: str(SCHEMA_VERSION).encode(), TABLE_KEY: table.encode()}
    return pa.schema(fields, metadata=metadata)


def markdown() -> str:
    """All tables with all columns, as in ``results/README.md``."""
    parts = []
    for name, columns in TABLES.items():
        rows = [
            f"### {name}.parquet",
            "",
            "| column | type | unit | meaning |",
            "|---|---|---|---|",
        ]
        for c in columns:
            type_ = f"{c.type}, may be null" if c.nullable else c.type
            rows.append(f"| `{c.name}` | {type_} | {c.unit} | {c.description} |")
        parts.append("\n".join(rows))
    versions = "\n".join(f"- {version}: {text}" for version, text in HISTORY.items())
    parts.append(f"### Versions of this schema\n\n{versions}")
    return "\n\n".join(parts) + "\n"
