"""How the intent watcher's small classifier is made: a corpus of templates, scikit-learn, a file."""
