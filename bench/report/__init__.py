"""The report page of one or several runs, and the same figures as Markdown, JSON and CSV."""
