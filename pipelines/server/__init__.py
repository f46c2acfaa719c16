"""Who serves people: the page of the face, the live call."""
