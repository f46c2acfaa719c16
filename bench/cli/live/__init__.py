"""Commands that let people talk to presets: by a page, or as a server."""
