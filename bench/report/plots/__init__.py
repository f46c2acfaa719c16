"""Pictures (PNG) by matplotlib."""
