"""The server as one program: its routes, its gate, its start and its end."""
