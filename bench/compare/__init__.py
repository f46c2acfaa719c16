"""Is one run faster than another; gates; history over runs. Pure."""
