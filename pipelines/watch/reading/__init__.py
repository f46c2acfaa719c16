"""From words to intents. Pure."""
