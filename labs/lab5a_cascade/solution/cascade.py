"""Task 1. Your pipeline, built of its parts."""

from pipecat.pipeline.pipeline import Pipeline

from labs.lab5a_cascade.parts import parts
from pipelines.host import Host


async def build(host: Host) -> Pipeline:
    """Builds the pipeline of one conversation; `measure.py` plays users to it."""
    p = await parts(host)
    return Pipeline(
        [
            p.microphone,
            p.recogniser,
            p.user_turn,
            p.language_model,
            *p.clauses,
            p.voice,
            p.loudspeaker,
            p.answer_memory,
        ]
    )
