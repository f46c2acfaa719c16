"""Errors that a user can act on: one sentence that says what, where and what to do."""


class LabError(Exception):
    """The base of every error that the user sees as one sentence, without a traceback."""

    exit_code = 2
    """Exit status of the command line."""


class SpecError(LabError):
    """A preset can't be used: unknown, misspelt, or with a value that doesn't fit."""


class ModelError(LabError):
    """A model's process failed: it could not load, crashed, or did not answer in time."""
