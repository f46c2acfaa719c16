"""What a service does when its model's process fails: a mark, an ErrorFrame, and no hang."""

from __future__ import annotations

from pipecat.processors.frame_processor import FrameProcessor

from pipelines.errors import ModelError
from pipelines.marks import MarkSink, stamp


async def report_failure(
    processor: FrameProcessor, marks: MarkSink, error: ModelError, request_id: str
) -> None:
    """Tells the record (``agent.error``) and the pipeline (an ErrorFrame, upstream)."""
    marks.put(stamp("agent", "error", request_id=request_id, text=str(error)))
    await processor.push_error(str(error), exception=error)
