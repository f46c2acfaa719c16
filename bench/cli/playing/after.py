"""What follows a run: a recogniser that listens where it must, the table, the picture."""

from __future__ import annotations

from pathlib import Path

import typer

from bench.report.text.console import console


def listen_to_silent_agents(run_dir: Path) -> None:
    """Has a recogniser listen to agents elsewhere that report no words of their own."""
    from bench.store import store

    run = store.read_run(run_dir)
    remote = [trial for trial in run.trials if trial.kind == "remote" and not trial.warmup]
    if all(any(m.event == "agent_text" for m in run.marks(t.trial_id)) for t in remote):
        return
    from bench.recorded.listener import Sphinx, listen

    typer.echo("The agent reports no words: a recogniser listens to its answers …", err=True)
    recogniser = Sphinx()
    listen(run_dir, recogniser, recogniser.described)


def print_report(run_dir: Path) -> None:
    """Prints a run's first table, and draws its picture."""
    from bench.report.plots.latency import write_report
    from bench.report.text.first_look.headline import print_headline
    from bench.store import store
    from bench.summary.summary import summarise

    run = store.read_run(run_dir)
    rows = store.read_metrics(run_dir)
    summary = summarise(run, rows, store.read_causes(run_dir))
    print_headline(summary, run_dir)
    write_report(run_dir / "report.png", summary)
    say = console().line
    say()
    say(f"Picture:  {run_dir / 'report.png'}")
    say(f"Figures:  duplex-lab show {run_dir} --all")
    say(f"One turn: duplex-lab show {run_dir}/TRIAL")
    say(f"The page: duplex-lab report {run_dir}")
