"""The turns of a run on a scripted cascade: what the script says beside what was stamped."""

from bench.store import store
from pipelines.clock import NS_PER_MS


def turns_of(run, preset):
    """(marks, figures, u_off) of each turn that counts."""
    rows = store.read_metrics(run.path)
    for trial in run.trials:
        if trial.preset != preset or trial.warmup or trial.status == "ruler_late":
            continue
        marks = run.marks(trial.trial_id)
        for turn in range(trial.turns):
            values = {
                r.metric: r.value for r in rows if r.trial_id == trial.trial_id and r.turn == turn
            }
            mine = [m for m in marks if m.turn == turn]
            u_off = next(m.t_ns for m in mine if (m.stage, m.event) == ("user", "speech_off"))
            due = {m.text: m.t_ns for m in mine if (m.stage, m.event) == ("script", "deadline")}
            done = {f"{m.stage}.{m.event}": m.t_ns for m in mine if m.stage != "script"}
            writes = sorted(m.t_ns for m in marks if (m.stage, m.event) == ("link", "write"))
            done["link.write"] = next(t for t in writes if t >= due["tts.first_byte"])
            releases = sorted(m.t_ns for m in marks if (m.stage, m.event) == ("turn", "release"))
            done["turn.release"] = next(t for t in releases if t >= done["stt.final"])
            yield due, done, values, u_off


def ms(end_ns, start_ns):
    return (end_ns - start_ns) / NS_PER_MS
