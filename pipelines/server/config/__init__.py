"""The server's options: tables of a TOML file, flags of the command line, lines of the docs."""
