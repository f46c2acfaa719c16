"""Does a run agree with itself? Marks, recording, figures, fixture and face, compared."""
