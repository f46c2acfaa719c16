"""A run: plan, calibration, trials, late trials played again, resume."""
