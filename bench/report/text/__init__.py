"""Terminal, Markdown, JSON, CSV and JUnit."""
