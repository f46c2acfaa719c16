"""Getting model files: hub, verification, pins."""
