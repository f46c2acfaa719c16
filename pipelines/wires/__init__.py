"""Codecs of the wire protocols that lab and server both speak: pure, each written once."""
