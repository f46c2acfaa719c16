"""What several engines need of weight files: formats, sizes, errors."""
