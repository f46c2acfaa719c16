"""Lab 5b: codec and duplex; the intent watcher."""
