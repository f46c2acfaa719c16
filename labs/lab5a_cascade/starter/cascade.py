"""Task 1. Your pipeline, built of its parts."""

from pipecat.pipeline.pipeline import Pipeline

from labs.lab5a_cascade.parts import parts
from pipelines.host import Host


async def build(host: Host) -> Pipeline:
    """Builds the pipeline of one conversation; `measure.py` plays users to it."""
    p = await parts(host)  # what each part takes and gives: labs/lab5a_cascade/parts.py
    return Pipeline(
        [
            p.microphone,
            # TODO: what stands between the microphone and the loudspeaker, in which order, and
            # what comes after the loudspeaker? p.clauses is a list: write *p.clauses.
            p.loudspeaker,
        ]
    )
