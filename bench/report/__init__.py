"""Who shows a run: text, plots, page, traces."""
