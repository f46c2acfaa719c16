"""Who may speak to the server: tokens, names and origins."""
