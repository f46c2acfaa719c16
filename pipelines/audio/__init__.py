"""Pure sample work: levels, onsets, resampling, jitter buffer."""
