"""The service behind the doors: warm models, open conversations, figures."""
