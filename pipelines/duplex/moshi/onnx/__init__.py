"""Mimi and Moshi in ONNX Runtime, written from the published safetensors."""
