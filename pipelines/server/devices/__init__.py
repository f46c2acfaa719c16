"""This machine's microphone and speaker as the two ends of a conversation, without a network."""
