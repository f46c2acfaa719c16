"""What of a memory fits what is being said: words, searches, calibrated relevance."""
