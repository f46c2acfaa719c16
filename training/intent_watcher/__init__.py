"""How the intent watcher's classifier is made: a corpus of templates, scikit-learn, a file."""
