"""The commands, one file each; `main.py` is their table. Nobody imports this room."""
