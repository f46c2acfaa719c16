"""Between a pipeline and its other end: a Pipecat transport over any wire, and its observers."""
