"""Hosted services as rows, and local servers that speak their protocols."""
