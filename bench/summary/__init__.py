"""A run in one look: what tables and pages show first. Pure."""
