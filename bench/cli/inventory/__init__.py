"""Commands that list what is here: doctor, presets, models, engines, fixtures."""
