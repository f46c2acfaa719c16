"""Adapters of Moshi: MLX and PyTorch."""
