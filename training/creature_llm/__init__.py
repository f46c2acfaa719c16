"""How the creature's small language model is made: corpus, training, export, evaluation."""
