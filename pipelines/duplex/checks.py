"""Refuses duplex presets that can't be built, or would mislead. Pure: it runs where no pipeline
does.
"""

from __future__ import annotations

from pipelines.duplex.adapters import adapter_of, is_remote
from pipelines.duplex.session.model import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ
from pipelines.duplex.session.options import ModelOptions, ProcessorOptions
from pipelines.duplex.session.row import AdapterRow
from pipelines.errors import SpecError
from pipelines.spec import PipelineSpec


def check(spec: PipelineSpec) -> None:
    """Refuses a preset that can't be built.

    Raises:
        SpecError: one sentence with the file, the value and what to change.
    """
    where = f"{spec.name}.toml"
    model: ModelOptions = spec.stages["model"]
    row = adapter_of(model, f"{where} [model]")
    if row.weights:
        row.weights.check(model, f"{where} [model]")
    if spec.audio.out_rate_hz != SAMPLE_RATE_HZ:
        raise SpecError(
            f"{where} [audio]: out_rate_hz = {spec.audio.out_rate_hz} must be {SAMPLE_RATE_HZ}, "
            "the model's own rate: a resampler would hold back more than a frame may take."
        )
    chunk = SAMPLE_RATE_HZ // 100 * spec.audio.out_10ms_chunks
    if spec.audio.out_10ms_chunks < 1 or FRAME_SAMPLES % chunk:
        raise SpecError(
            f"{where} [audio]: out_10ms_chunks = {spec.audio.out_10ms_chunks} must divide the "
            f"model's frame of {FRAME_MS:g} ms: 1, 2, 4 or 8."
        )
    processor: ProcessorOptions = spec.stages["processor"]
    if processor.queue_frames < 1 or processor.frame_timeout_s <= 0 or processor.unpaced_frames < 0:
        raise SpecError(
            f"{where} [processor]: queue_frames must be at least 1, frame_timeout_s above 0 and "
            "unpaced_frames not negative."
        )
    given = [name for name in ("voice_prompt", "text_prompt") if getattr(model, name)]
    if given and not row.prompts:
        raise SpecError(
            f"{where} [model]: {given[0]} is set, but backend = {model.backend!r} takes no "
            "prompts: remove it, or set backend = 'server' and the url of a PersonaPlex server."
        )
    check_label(spec, _labels(model, row))


def unpaced_frames(spec: PipelineSpec) -> int:
    """Frames of the burst that measures the model's service time.

    None for a server: it computes at its own pace and elsewhere, so that a burst shows how fast we
    can send.
    """
    if is_remote(spec.stages["model"].backend):
        return 0
    frames: int = spec.stages["processor"].unpaced_frames
    return frames


def check_label(spec: PipelineSpec, able: tuple[str, ...]) -> None:
    """Refuses a preset whose rows would be mislabelled.

    Raises:
        SpecError: its ``weights`` are not one of ``able``, the model's possible labels.
    """
    if spec.weights not in able:
        raise SpecError(
            f"{spec.name}.toml: weights = {spec.weights!r}, but [model] has {able[0]} ones: every "
            f"row of the results would be mislabelled; set weights = {able[0]!r}."
        )


def _labels(model: ModelOptions, row: AdapterRow) -> tuple[str, ...]:
    """The possible labels of the model's weights, as far as the preset alone shows."""
    if row.label:
        return (row.label,)
    if row.weights and model.weights == "synthetic":
        return ("synthetic",)
    return ("trained", "synthetic")  # the contents of a folder, or of a server, are unknown here
