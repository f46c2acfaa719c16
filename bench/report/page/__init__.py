"""The report page of one or several runs: its charts, turns and audio."""
