"""VAD → STT → LLM → TTS as a Pipecat pipeline."""
