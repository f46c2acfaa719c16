"""`session`: the one call for every form of agent.

``session({"omni": {"model": "nano-11m"}})``, ``session({"stt": …, "llm": …, "tts": …})``, or the
name of a preset. The first takes ids by their prefix: those of duplex models as in a preset's
[model], and ``voice-pipeline-<preset>`` for a cascade.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.duplex.adapters import VOICE_PIPELINE as VOICE_PIPELINE
from pipelines.errors import SpecError
from pipelines.guards.texts import toml_string
from pipelines.registry import architecture, load_object
from pipelines.spec import PipelineSpec, did_you_mean, load_spec, parse_spec, preset_names

STEP_MODELS = {
    "passthrough": "pipelines.server.session.doubles:Passthrough",
    "clerk": "pipelines.server.session.doubles:Clerk",
}
"""Step models of ours, by id."""
STAGES = ("stt", "llm", "tts")
Form = str | Mapping[str, Any]


def spec_of(form: Form) -> PipelineSpec:
    """The preset of a form.

    Raises:
        SpecError: it is none of the forms, or names what is not there.
    """
    if isinstance(form, str):
        return load_spec(form.removeprefix(VOICE_PIPELINE))
    keys = set(form)
    if keys == {"omni"}:
        return _omni(_table(form["omni"], "omni"))
    if "stt" in keys and keys <= {*STAGES, "turns", "audio"}:
        return _cascade(form)
    raise SpecError(
        f"session({sorted(keys)}): give a preset's name, {{'omni': {{'model': …}}}}, or "
        "{'stt': …, 'llm': …, 'tts': …}."
    )


def step_model_of(form: Form) -> str:
    """``module:class`` of the step model that a form names; empty: none."""
    if not isinstance(form, str) and set(form) == {"omni"} and isinstance(form["omni"], Mapping):
        return STEP_MODELS.get(str(form["omni"].get("model", "")), "")
    return STEP_MODELS.get(form, "") if isinstance(form, str) else ""


def _omni(omni: Mapping[str, Any]) -> PipelineSpec:
    model = omni.get("model")
    if not isinstance(model, str) or not model:
        raise SpecError("session({'omni': …}): model = 'an id' is missing.")
    if model.startswith(VOICE_PIPELINE):
        name = model.removeprefix(VOICE_PIPELINE)
        if name not in preset_names():
            known = ", ".join(n for n in preset_names() if load_spec(n).kind == "cascade")
            near = did_you_mean(name, preset_names())
            raise SpecError(
                f"omni model {model!r}: there is no preset {name!r}{near}; cascades: {known}."
            )
        return load_spec(name)
    for name in preset_names():
        spec = load_spec(name)
        of = spec.stages.get("model")
        if spec.kind == "duplex" and of is not None and of.id == model and len(omni) == 1:
            return spec
    given = {"id": model, **{k: v for k, v in omni.items() if k != "model"}}
    label = given.pop("label", "trained")
    text = _toml(
        {"title": model, "architecture": "duplex", "kind": "duplex", "weights": label},
        {"audio": {"in_rate_hz": 24_000, "out_rate_hz": 24_000, "out_10ms_chunks": 8}}
        | {"model": given},
    )
    return parse_spec("omni", text)


def _cascade(form: Mapping[str, Any]) -> PipelineSpec:
    """A cascade of three engines; a stage that is a text names the engine alone."""
    missing = [stage for stage in STAGES if stage not in form]
    if missing:
        raise SpecError(f"session({{'stt', 'llm', 'tts'}}): {missing[0]!r} is missing.")
    tables = {
        key: {"engine": value} if isinstance(value, str) else dict(_table(value, key))
        for key, value in form.items()
    }
    label = "trained"
    for table in tables.values():
        label = table.pop("label", label)
    names = " → ".join(str(tables[stage].get("engine", "?")) for stage in STAGES)
    head = {"title": names, "architecture": "cascade", "kind": "cascade", "weights": label}
    return parse_spec("cascade", _toml(head, tables))


def _table(value: object, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SpecError(f"session({{{key!r}: …}}): a table is needed, not {value!r}.")
    return value


def _toml(head: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> str:
    """A preset's file."""
    lines = [f"{key} = {_value(value)}" for key, value in head.items()]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return toml_string(value)
    raise SpecError(f"session(…): {value!r} is no text, number, true or false.")


def servable(spec: PipelineSpec) -> None:
    """Refuses a preset that no person can talk to.

    Raises:
        SpecError: one sentence.
    """
    if spec.sees_labels:
        raise SpecError(
            f"{spec.name} is scripted by its fixtures' labels, which a live user has not: choose "
            "another preset."
        )
    if spec.architecture == "remote":
        raise SpecError(f"{spec.name} is an agent elsewhere: talk to it at its own address.")


def provide(spec: PipelineSpec, tell: Any = lambda text: None) -> None:
    """Makes what a preset needs and this machine lacks.

    Raises:
        LabError: it can't be had.
    """
    servable(spec)
    if path := architecture(spec.architecture).provide:
        load_object(path)(spec, tell)
