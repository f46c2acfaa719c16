"""Which duplex presets can't be built, or would mislead. Pure: it runs where no pipeline does."""

from __future__ import annotations

from pipelines.duplex.dispatch import backend_of
from pipelines.duplex.model import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ
from pipelines.duplex.options import ModelOptions, ProcessorOptions
from pipelines.errors import SpecError
from pipelines.spec import PipelineSpec


def check(spec: PipelineSpec) -> None:
    """Refuses a preset that can't be built.

    Raises:
        SpecError: one sentence with the file, the value and the mend.
    """
    where = f"{spec.name}.toml"
    model: ModelOptions = spec.stages["model"]
    backend_of(model, f"{where} [model]")
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
    check_label(spec, _labels(model))


def check_label(spec: PipelineSpec, able: tuple[str, ...]) -> None:
    """Refuses a preset whose rows would be mislabelled.

    Raises:
        SpecError: its ``weights`` are not one of ``able``, what the model's can be called.
    """
    if spec.weights not in able:
        raise SpecError(
            f"{spec.name}.toml: weights = {spec.weights!r}, but [model] has {able[0]} ones: every "
            f"row of the results would be mislabelled; set weights = {able[0]!r}."
        )


def _labels(model: ModelOptions) -> tuple[str, ...]:
    """What the model's weights can be called, as far as the preset alone tells."""
    if model.backend == "scripted":
        return ("scripted",)
    if model.backend != "server" and model.weights == "synthetic":
        return ("synthetic",)
    return ("trained", "synthetic")  # what is in a folder, or behind a server, is not seen here
