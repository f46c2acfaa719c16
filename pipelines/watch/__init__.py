"""The intent watcher: a passive tap on the text stream that calls tasks."""
