"""Every figure that is computed from a timeline: a row beside its function. Pure."""
