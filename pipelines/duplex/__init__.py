"""A full-duplex model as a Pipecat processor."""
