"""The checks of lab 5b, listed openly: the same for the student and for the grader."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean, median
from typing import Any

import numpy as np

from labs.check import Check, Lab, Submission, SubmissionError, Verdict
from labs.judging import first_wrong, near, number, sentence, table
from labs.lab5b_duplex.reading import SENTENCES, f1, f1_of_weights, read_table
from pipelines.duplex.session.model import FRAME_MS
from pipelines.guards.texts import parse_json
from pipelines.watch import schema

LEAST_F1 = 0.90
SIZE, LEVELS = 16, 4
RATES, ABLATION = "rates.csv", "ablation.csv"
TASK = "the numbers in the task"


# the codec


def rvq_sums(submission: Submission) -> Verdict:
    """Codes of known codebooks, which can be computed by hand."""
    books = [np.diag([8.0, 8.0]), np.diag([2.0, 2.0]), np.diag([0.5, 0.5])]
    vectors = np.array([[8.0, 2.5], [0.4, 10.0]])
    codes = np.asarray(submission.call("rvq.py", "encode", vectors, books))
    if codes.shape != (2, 3):
        return Verdict(False, f"encode() gave codes of shape {codes.shape}, not (2, 3).")
    if not np.array_equal(codes, [[0, 1, 1], [1, 1, 0]]):
        return Verdict(False, "encode(): a level does not code what those before it left over.")
    got = np.asarray(submission.call("rvq.py", "decode", codes, books))
    wanted = np.array([[8.0, 2.5], [0.5, 10.0]])
    if got.shape != wanted.shape or not np.allclose(got, wanted):
        return Verdict(False, "decode(): is not the sum of what the codes name.")
    return Verdict(True, "encode() codes residuals, and decode() sums them up.")


def rvq_learns(submission: Submission) -> Verdict:
    """Each level of the student's codebooks leaves less over than the one before."""
    vectors = np.random.default_rng(3).normal(size=(600, 6))
    books = submission.call("rvq.py", "train", vectors, LEVELS, SIZE, 1)
    shapes = [np.asarray(book).shape for book in books] if isinstance(books, list) else []
    if shapes != [(SIZE, 6)] * LEVELS:
        return Verdict(False, f"train() must give {LEVELS} codebooks of shape ({SIZE}, 6).")
    residual, left = vectors, [float(np.mean(vectors**2))]
    for book in map(np.asarray, books):
        distances = ((residual[:, None] - book[None]) ** 2).sum(axis=2)
        residual = residual - book[distances.argmin(axis=1)]
        left.append(float(np.mean(residual**2)))
    for level, (before, after) in enumerate(pairwise(left), 1):
        if after > 0.9 * before:
            return Verdict(False, f"train(): codebook {level} takes hardly anything away.")
    return Verdict(True, f"{LEVELS} codebooks leave {left[-1] / left[0]:.1%} of the energy.")


def rvq_bits(submission: Submission) -> Verdict:
    """N · log2(size), and Mimi's rate."""
    for levels, size in ((1, 2), (3, 16), (8, 2048)):
        said = submission.call("rvq.py", "bits_per_frame", levels, size)
        if not isinstance(said, int | float) or not math.isclose(said, levels * math.log2(size)):
            return Verdict(False, f"bits_per_frame({levels}, {size}) is not right.")
    said = submission.call("rvq.py", "kbps", 2, 4, 50.0)
    if not isinstance(said, int | float) or not math.isclose(said, 0.2):
        return Verdict(False, "kbps(2, 4, 50) is not right.")
    return near(submission, "codec.mimi_kbps", 8 * 11 * 12.5 / 1000, 0.0005, source=TASK)


def rates_table(submission: Submission) -> Verdict:
    """rates.csv: eight levels of two sources, each better than the one before."""
    rows = table(submission, RATES, ("source", "levels", "bits_per_frame", "snr_db"))
    for source in ("mimi_like", "fixtures"):
        own = [row for row in rows if row["source"] == source]
        if [int(row["levels"]) for row in own] != list(range(1, 9)):
            return Verdict(False, f"rates.csv: {source} needs the levels 1 to 8.")
        db = [number(row, "snr_db", RATES) for row in own]
        if any(b <= a for a, b in pairwise(db)):
            return Verdict(False, f"rates.csv: {source}: a further codebook makes it worse.")
        if len({number(row, "bits_per_frame", RATES) / int(row["levels"]) for row in own}) != 1:
            return Verdict(False, f"rates.csv: {source}: bits_per_frame is not right.")
    fixtures = [number(row, "snr_db", RATES) for row in rows if row["source"] == "fixtures"]
    return first_wrong(
        [
            near(submission, "codec.first_db", fixtures[0], 0.006),
            near(submission, "codec.all_db", fixtures[-1], 0.006),
        ]
    )


def ablation_table(submission: Submission) -> Verdict:
    """ablation.csv has every case, and the answers are its own."""
    rows = table(submission, ABLATION, ("codec", "kept", "wer", "voices_right"))
    wer = {(row["codec"], row["kept"]): number(row, "wer", ABLATION) for row in rows}
    wanted = [(c, k) for c in ("plain", "split") for k in ("all", "first", "without first")]
    missing = [f"{c}, {k}" for c, k in [("none", "original"), *wanted] if (c, k) not in wer]
    if missing:
        return Verdict(False, f"ablation.csv lacks: {'; '.join(missing)}.")
    if len({wer[case] for case in wanted[3:]}) == 1:
        return Verdict(False, "ablation.csv: whatever is kept, the words are the same.")
    return first_wrong(
        [
            near(submission, f"ablation.wer_{key}", wer["split", kept], 0.0006)
            for key, kept in (("first", "first"), ("without_first", "without first"))
        ]
    )


# duplex


def floor_figures(submission: Submission) -> Verdict:
    """The derivation, and what the probe found."""
    try:
        found: Any = parse_json(submission.text("floor.json"))
        measured, frames = float(found["floor_ms"]), int(found["floor_frames"])
    except (ValueError, KeyError, TypeError):
        return Verdict(
            False, "floor.json is not what 'duplex-lab algorithmic-latency --json' writes."
        )
    if not math.isclose(measured, frames * FRAME_MS):
        return Verdict(False, "floor.json: floor_ms is not floor_frames of 80 ms.")
    return first_wrong(
        [
            near(submission, "floor.derived_ms", 2 * FRAME_MS, 0.5, source=TASK),
            near(submission, "floor.measured_ms", measured, 0.5),
        ]
    )


def _values(
    submission: Submission, run: str, metric: str, preset: str = "", *, warmup: bool = False
) -> list[float]:
    rows = [r for r in submission.rows(run) if r.metric == metric and (warmup or not r.warmup)]
    found = [r.value for r in rows if r.value is not None and preset in ("", r.preset)]
    if not found:
        raise SubmissionError(f"results/{run} has no {metric}{' of ' + preset if preset else ''}.")
    return found


def frames_figure(submission: Submission) -> Verdict:
    """Moshi was run in the harness."""
    run = submission.run("frames")
    if any(t.kind != "duplex" or t.weights == "scripted" for t in run.trials):
        return Verdict(False, "results/frames: the preset must be a model's, such as duplex-tiny.")
    wanted = median(_values(submission, "frames", "service_p50", warmup=True))
    return near(submission, "frames.service_p50_ms", wanted, 0.05)


def overlap_figures(submission: Submission) -> Verdict:
    """Both were interrupted, and how long both spoke at once."""
    kinds = {t.preset: t.kind for t in submission.run("overlap").trials}
    if sorted(kinds.values()) != ["cascade", "duplex"]:
        return Verdict(False, "results/overlap must hold a cascade and a duplex preset.")
    return first_wrong(
        [
            near(
                submission,
                f"overlap.{kind}",
                fmean(_values(submission, "overlap", "overlap", preset)),
                0.0006,
            )
            for preset, kind in sorted(kinds.items())
        ]
    )


# the watcher


def rules_score(submission: Submission) -> Verdict:
    """rules.py on the sentences written by hand."""
    rows = read_table(SENTENCES)
    said = []
    for row in rows[:: len(rows) // 8]:
        given = submission.call("rules.py", "tasks", row.text, row.who)
        if not isinstance(given, list) or not all(isinstance(task, str) for task in given):
            return Verdict(False, "tasks() must give a list of tasks' names.")
        said.append(given)
    if not any(said):
        return Verdict(False, "tasks() finds no task in any of the sentences tried.")
    score = submission.answer("watcher.rules_f1", float)
    part = f1(rows[:: len(rows) // 8], said)
    text = f"F1 {score:.2f} is reported; on the few sentences tried it is {part:.2f}."
    return Verdict(0.3 <= score <= 1, text)


def classifier_score(submission: Submission) -> Verdict:
    """weights.json on the sentences written by hand."""
    found = f1_of_weights(submission.path("weights.json"), read_table(SENTENCES))
    if found < LEAST_F1:
        return Verdict(False, f"F1 {found:.3f} of weights.json is below {LEAST_F1:.2f}.")
    return near(submission, "watcher.classifier_f1", found, 0.0006)


def watch_calls(submission: Submission) -> Verdict:
    """The watcher calls tasks, and frames come as without it."""
    run = submission.run("watch")
    calls = 0
    by: dict[bool, list[float]] = {True: [], False: []}
    for trial in run.trials:
        if trial.warmup:
            continue
        marks = run.marks(trial.trial_id)
        for mark in marks:
            if (mark.stage, mark.event) == ("watch", "call"):
                if fault := schema.wrong(parse_json(mark.text or "{}").get("arguments")):
                    return Verdict(False, f"results/watch: a call breaks the schema: {fault}.")
                calls += 1
        out = [m.t_ns for m in marks if (m.stage, m.event) == ("duplex", "frame_out")]
        watched = any(m.stage == "watch" for m in marks)
        by[watched] += [(b - a) / 1e6 for a, b in pairwise(out)]
    if not calls or not by[True] or not by[False]:
        return Verdict(False, "results/watch needs calls, and conversations with and without them.")
    ratio = median(by[True]) / median(by[False])
    text = f"{calls} calls; frames with the watcher come at {ratio:.3f} of the interval without."
    return Verdict(abs(ratio - 1) < 0.05, text)


CHECKS = (
    Check("rvq-sums", "encode() and decode(): x ≈ Σ qᵢ, for known codebooks", rvq_sums),
    Check("rvq-learns", "train(): every codebook takes something away", rvq_learns),
    Check("rvq-bits", "bits per frame, and Mimi's kbps", rvq_bits),
    Check("rates-table", "rates.csv: two sources, 1 to 8 codebooks, ever better", rates_table),
    sentence("codec.what_it_buys", 40),
    Check("ablation-table", "ablation.csv: words and voices, with and without codebook 1",
          ablation_table),
    sentence("ablation.meaning", 80),
    Check("floor-figures", "the derived floor, and the one that floor.json holds", floor_figures),
    sentence("floor.why", 60),
    Check("frames-figure", "results/frames: what a frame of Moshi costs, the median",
          frames_figure),
    Check("overlap-figures", "results/overlap: how much both speak at once", overlap_figures),
    sentence("overlap.forbidden", 60),
    Check("rules-score", "rules.py finds tasks; its F1 is reported", rules_score),
    Check("classifier-score", f"weights.json: F1 of {LEAST_F1:.2f} or more on sentences.tsv",
          classifier_score),
    Check("watch-calls", "results/watch: calls that fit the schema, and frames as without",
          watch_calls),
    sentence("watcher.slow_loop", 60),
)  # fmt: skip

LAB = Lab(
    "5b",
    "Codec and duplex",
    (
        "rvq.py",
        "rates.py",
        "ablation.py",
        "rules.py",
        "train.py",
        "*.toml",
        "*.csv",
        "rates.png",
        "floor.json",
        "weights.json",
        "results/frames",
        "results/overlap",
        "results/watch",
    ),
    CHECKS,
)
