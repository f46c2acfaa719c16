"""The reaction of a service to a failure of its model's process: a mark, an ErrorFrame, and no
hang.
"""

from __future__ import annotations

from pipecat.processors.frame_processor import FrameProcessor

from pipelines.errors import ModelError
from pipelines.marks import MarkSink, stamp


async def report_failure(
    processor: FrameProcessor, marks: MarkSink, error: ModelError, request_id: str
) -> None:
    """Reports it in the record (``agent.error``) and to the pipeline (an ErrorFrame, upstream)."""
    marks.put(stamp("agent", "error", request_id=request_id, text=str(error)))
    await processor.push_error(str(error), exception=error)
