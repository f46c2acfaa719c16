"""How the small full-duplex model `duplex-nano` is made: data, codec, language model, export."""
