"""Quantiles, differences, survival, dip test, trend. Pure."""
