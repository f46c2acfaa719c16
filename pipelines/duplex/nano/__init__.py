"""duplex-nano, our own small model, with its weights."""
